"""Speed, area efficiency and energy efficiency of whole systems: cycles, elements and memories put together.

Cycles and traffic are those of docs/data/system_cycles.json, areas and energies of elements those of
docs/data/comparison.json. Memories are not synthesized: their area and energy are stated, each with its
source. Everything is relative to FP-FP, an FP16 multiply-add of equal throughput: 64 multiply-accumulates in
16 cycles, what one element of the Anda paper does with 15 mantissa bits and a sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, log
from typing import Any

from anda.models import MODELS, TOLERANCES, Tolerance
from anda.system_tables import Totals

__all__ = [
    "AREA_MODELS",
    "ENERGY_MODELS",
    "SUBJECTS",
    "AreaModel",
    "Element",
    "EnergyModel",
    "Subject",
    "described",
    "efficiencies",
    "elements",
    "geometric",
    "paper_split",
]

Data = Mapping[str, Any]

ELEMENTS = 256
"""Elements of the array, 16 x 16."""

SLOT_MACS = 4
"""Multiply-accumulates a cycle of an element of equal throughput."""


@dataclass(frozen=True)
class Subject:
    """A system: whose element it has, and what its activations are in memory.

    Attributes
    ----------
    name : str
    element : str
        Its name in the comparison.
    stored : str
        Its name in docs/data/system_cycles.json: FP16 for all that convert on the fly.
    tolerances : tuple
        For which it has lengths; None alone when there are none.
    """

    name: str
    element: str
    stored: str
    tolerances: tuple[Tolerance | None, ...] = (None,)


SUBJECTS: tuple[Subject, ...] = (
    Subject("FP-FP", "fp-fp", "FP16"),
    Subject("FP-INT", "fp-int", "FP16"),
    Subject("iFPU", "ifpu", "FP16"),
    Subject("FIGNA", "figna", "FP16"),
    Subject("FIGNA, 16 on an accumulator", "figna-x16", "FP16"),
    Subject("FIGNA-M11", "figna-m11", "FP16"),
    Subject("FIGNA-M8", "figna-m8", "FP16"),
    Subject("published", "published", "published", TOLERANCES),
    Subject("compact", "compact", "compact", TOLERANCES),
)
"""In the order of the paper; the first one is what all are relative to."""


@dataclass(frozen=True)
class AreaModel:
    """Area of everything but elements and converters.

    Attributes
    ----------
    name, source : str
    of_array : float or None
        As a multiple of the FP-FP array on the same library.
    um2_per_bit : dict
        Or, by library, of a bit of buffer.
    """

    name: str
    source: str
    of_array: float | None = None
    um2_per_bit: Mapping[str, float] | None = None

    def fixed(self, on: str, array: float, bits: int) -> float | None:
        """Area of the buffers; None for a library that the model does not know."""
        if self.of_array is not None:
            return self.of_array * array
        density = (self.um2_per_bit or {}).get(on)
        return None if density is None else density * bits


AREA_MODELS: tuple[AreaModel, ...] = (
    AreaModel(
        "published share",
        "Anda, HPCA 2025: 1.72 mm2 of buffers and vector unit (table III) beside an FP-FP array of 1.78 mm2, "
        "which is what makes its figures 15 and 16 agree",
        of_array=1.72 / 1.78,
    ),
    AreaModel(
        "open macros",
        "area over bits of SRAM macros of the open PDKs: sky130_sram_2kbyte_1rw_32x512_8 by OpenRAM, "
        "483.86 um x 326.1 um; RM_IHPSG13_1P_4096x8_c3_bm_bist, 236.8 um x 618.3 um",
        um2_per_bit={"sky130": 483.86 * 326.1 / (32 * 512), "SG13G2": 236.8 * 618.3 / (4096 * 8)},
    ),
)
"""The first one is that of the tables."""


@dataclass(frozen=True)
class EnergyModel:
    """Energies of what is not synthesized, and of FP-FP to scale elements by.

    Attributes
    ----------
    name, source : str
    mac_pj : float
        A multiply-accumulate of FP-FP; those of other elements are in proportion to the measured energies.
    sram_pj_per_byte, dram_pj_per_byte : float
    """

    name: str
    source: str
    mac_pj: float
    sram_pj_per_byte: float
    dram_pj_per_byte: float


_HOROWITZ = (
    "M. Horowitz, Computing's energy problem, ISSCC 2014, 45 nm at 0.9 V: 1.1 pJ for an FP16 multiplication "
    "and 0.9 pJ for an FP32 addition"
)
_SMALL = "20 pJ for 64 bits of 32 KB of SRAM"
_HBM2 = "HBM2 at 3.9 pJ a bit, as the Anda paper has it"

ENERGY_MODELS: tuple[EnergyModel, ...] = (
    EnergyModel("45 nm", f"{_HOROWITZ}; {_SMALL}; {_HBM2}", 2.0, 20 / 8, 3.9 * 8),
    EnergyModel(
        "45 nm, 1 MB", f"{_HOROWITZ}; 100 pJ for 64 bits of 1 MB of SRAM; {_HBM2}", 2.0, 100 / 8, 3.9 * 8
    ),
    EnergyModel(
        "45 nm, DDR",
        f"{_HOROWITZ}; {_SMALL}; 1.3 nJ for 64 bits of DRAM, the lower of its two",
        2.0,
        20 / 8,
        1300 / 8,
    ),
)
"""Besides `paper_split`, which is that of the tables."""

PAPER_SPLIT = {"compute": 0.42, "sram": 0.11, "dram": 0.48}
"""Of FP-FP on LLaMA-13B: Anda, HPCA 2025, figure 17."""


def paper_split(totals: Totals) -> EnergyModel:
    """The published shares of FP-FP with our traffic; the unit is its multiply-accumulate."""
    at = ("LLaMA-13B", "prefill", "FP16", None)
    unit = totals.of("macs", *at) / PAPER_SPLIT["compute"]
    return EnergyModel(
        "published split",
        "Anda, HPCA 2025, figure 17: FP-FP on LLaMA-13B spends 42 % on arithmetic, 11 % on SRAM and 48 % on "
        "DRAM; with our traffic of the same model",
        1.0,
        unit * PAPER_SPLIT["sram"] / totals.sram(*at),
        unit * PAPER_SPLIT["dram"] / totals.dram(*at),
    )


@dataclass(frozen=True)
class Element:
    """An element on one library, at equal throughput.

    Attributes
    ----------
    area : float
        Of what FP-FP needs for `SLOT_MACS` multiply-accumulates a cycle, or one element of 64 lanes.
    converter : float
        What an element needs of the array's converters.
    energy : dict
        Of a multiply-accumulate in fJ by the words of a group; 0 words for those without planes.
    """

    area: float
    converter: float
    energy: Mapping[int, float]

    def energy_at(self, words: int) -> float | None:
        """Energy of groups of so many words, on the line through the nearest two that were measured."""
        if 0 in self.energy:
            return self.energy[0]
        if words in self.energy:
            return self.energy[words]
        if len(self.energy) < 2:
            return None
        a, b = sorted(sorted(self.energy, key=lambda known: abs(known - words))[:2])
        return self.energy[a] + (self.energy[b] - self.energy[a]) * (words - a) / (b - a)


def elements(comparison: Data, on: str, accounting: str) -> dict[str, Element]:
    """Every element of the comparison that a library has.

    Parameters
    ----------
    comparison : mapping
        Of docs/data/comparison.json.
    on : str
        The library.
    accounting : str
        Of weight registers, "shared" by the rows of an array or "own".
    """
    rows = [row for row in comparison["rows"] if row["library"] == on]
    converted = {
        row["name"]: row["share_of_array"] for row in comparison["converters"] if row["library"] == on
    }
    found = {}
    for name in dict.fromkeys(row["name"] for row in rows):
        own = [row for row in rows if row["name"] == name and row["accounting"] == accounting]
        if not own:
            continue
        shared = next((row for row in rows if row["name"] == name and row["accounting"] == "shared"), own[0])
        slots = 1.0 if own[0]["planes"] else SLOT_MACS / own[0]["macs_per_cycle"]
        share = converted.get(name, 0.0)
        found[name] = Element(
            own[0]["area"] * slots,
            shared["area"] * slots * share / (1 - share),
            {row["planes"]: row["energy"]["total_fj"] for row in own if row["energy"]},
        )
    return found


def efficiencies(cycles: Data, comparison: Data) -> Iterator[dict[str, Any]]:
    """Every library, accounting, system, tolerance and model, relative to FP-FP.

    Parameters
    ----------
    cycles, comparison : mapping
        Of docs/data/system_cycles.json and docs/data/comparison.json.

    Yields
    ------
    dict
        `speed`, `area` (efficiency by area model) and `energy` (by energy model), and for the published split
        `parts`: arithmetic, SRAM and DRAM as parts of the energy of FP-FP. Elements that the comparison does
        not have are left out; what a library does not say is None.
    """
    totals = Totals(cycles)
    models = (paper_split(totals), *ENERGY_MODELS)
    for on in comparison["libraries"]:
        for accounting in ("own", "shared"):
            known = elements(comparison, on, accounting)
            if "fp-fp" not in known:
                continue
            for subject, tolerance in _points(known):
                areas = _areas(cycles, known, subject, on)
                for model in (each.name for each in MODELS):
                    at = (model, "prefill", subject.stored, tolerance)
                    base = (model, "prefill", "FP16", None)
                    speed = totals.of("cycles", *base) / totals.of("cycles", *at)
                    used = {each.name: _energy(totals, known, subject, at, each) for each in models}
                    reference = {
                        each.name: _energy(totals, known, SUBJECTS[0], base, each) for each in models
                    }
                    yield {
                        "library": on,
                        "accounting": accounting,
                        "system": subject.name,
                        "tolerance": tolerance,
                        "model": model,
                        "speed": _short(speed),
                        "area": {name: _short(ratio and speed * ratio) for name, ratio in areas.items()},
                        "energy": {name: _gain(reference[name], used[name]) for name in used},
                        "parts": _parts(reference[models[0].name], used[models[0].name]),
                    }


def described(cycles: Data) -> dict[str, Any]:
    """What was assumed, as the data file has it."""
    models = (paper_split(Totals(cycles)), *ENERGY_MODELS)
    return {"areas": [asdict(each) for each in AREA_MODELS], "energies": [asdict(each) for each in models]}


def geometric(values: Sequence[float]) -> float:
    """Geometric mean."""
    return exp(sum(map(log, values)) / len(values))


def _points(known: Iterable[str]) -> Iterator[tuple[Subject, Tolerance | None]]:
    have = set(known)
    return ((s, t) for s in SUBJECTS if s.element in have for t in s.tolerances)


def _areas(cycles: Data, known: Mapping[str, Element], subject: Subject, on: str) -> dict[str, float | None]:
    """Area of FP-FP's system over that of another one, by area model."""
    found: dict[str, float | None] = {}
    base = known["fp-fp"]
    array = ELEMENTS * base.area
    for model in AREA_MODELS:
        whole = []
        for each in (SUBJECTS[0], subject):
            fixed = model.fixed(on, array, _buffer_bits(cycles, each))
            own = known[each.element]
            whole.append(None if fixed is None else ELEMENTS * (own.area + own.converter) + fixed)
        before, after = whole
        found[model.name] = None if before is None or after is None else before / after
    return found


def _buffer_bits(cycles: Data, subject: Subject) -> int:
    """Both buffers; planes have exponents of five bits for each row beside them."""
    buffers, rows = cycles["buffers"], cycles["array"]["rows"]
    exponents = 0 if subject.stored == "FP16" else buffers["plane_words"] * rows * 5
    planes = buffers["plane_words"] * buffers["plane_word_bits"]
    return int(planes + exponents + buffers["weight_words"] * buffers["weight_word_bits"])


def _energy(
    totals: Totals,
    known: Mapping[str, Element],
    subject: Subject,
    at: tuple[str, str, str, str | None],
    model: EnergyModel,
) -> tuple[float, float, float] | None:
    """Energy of arithmetic, SRAM and DRAM of one prefill, in pJ."""
    unit = known["fp-fp"].energy_at(0)
    own = known[subject.element]
    rows = totals.rows(*at)
    energies = [own.energy_at(0 if subject.stored == "FP16" else int(row["words"])) for row in rows]
    if unit is None or any(each is None for each in energies):
        return None
    macs = sum(row["macs"] for row in rows)
    mean = sum((each or 0.0) * row["macs"] for each, row in zip(energies, rows, strict=True)) / macs
    return (
        totals.of("macs", *at) * model.mac_pj * mean / unit,
        totals.sram(*at) * model.sram_pj_per_byte,
        totals.dram(*at) * model.dram_pj_per_byte,
    )


def _gain(before: tuple[float, ...] | None, after: tuple[float, ...] | None) -> float | None:
    return None if before is None or after is None else _short(sum(before) / sum(after))


def _parts(before: tuple[float, ...] | None, after: tuple[float, ...] | None) -> list[float | None] | None:
    return None if before is None or after is None else [_short(part / sum(before)) for part in after]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
