"""Rows of the comparison, made of the parts that were measured (their layout: `anda.comparison`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from anda.comparison_subjects import Accounting, Part, Subject
from hdl.heap import AdderCells

__all__ = ["comparison_rows", "converter_rows"]


def comparison_rows(data: Mapping[str, Any], subjects: Iterable[Subject]) -> Iterator[dict[str, Any]]:
    """Rows of all subjects whose parts were measured.

    Parameters
    ----------
    data
        With `libraries` and `parts` as in the data file.
    subjects
    """
    for subject in subjects:
        for on, parts in data["parts"].items():
            for accounting in subject.accountings:
                made = _made_of(subject, accounting, parts)
                if made is not None:
                    for planes in subject.planes:
                        yield _row(subject, on, accounting, planes, made, data)


@cache
def _modules(part: Part) -> tuple[str, ...]:
    """Names of a part with each kind of adder cells, of which a library takes one."""
    return tuple(part.component(cells).module_name for cells in AdderCells)


def _made_of(
    subject: Subject, accounting: Accounting, parts: Mapping[str, Any]
) -> list[tuple[str, float]] | None:
    """Module and share of every part; None when one is missing."""
    made = []
    for use in subject.uses(accounting):
        found = [name for name in _modules(use.part) if name in parts]
        if not found:
            return None
        made.append((found[0], use.share))
    return made


def _slowest(
    subject: Subject, accounting: Accounting, made: Sequence[tuple[str, float]], parts: Mapping[str, Any]
) -> tuple[float, str]:
    """The longest path of the parts and its unit; what leads into the element is in front of its path."""
    delays = [float(parts[name]["delay"]) for name, _ in made]
    leading = [delay for use, delay in zip(subject.uses(accounting), delays, strict=True) if use.part.leads]
    delays[0] += max(leading, default=0.0)
    return max(delays), parts[made[0][0]]["delay_unit"]


def _row(
    subject: Subject,
    on: str,
    accounting: Accounting,
    planes: int,
    made: Sequence[tuple[str, float]],
    data: Mapping[str, Any],
) -> dict[str, Any]:
    parts, clock = data["parts"][on], data["libraries"][on]["clock_mhz"]
    area = sum(share * parts[name]["area"] for name, share in made)
    rate = float(subject.macs_per_cycle(planes))
    delay, unit = _slowest(subject, accounting, made, parts)
    mhz = {"ns": 1e3, "ps": 1e6}[unit] / delay if unit in ("ns", "ps") and delay else None
    words = ["anda compare", f"--only {subject.name}", *([f"--planes {planes}"] if planes else [])]
    if on != "generic":
        words.append(f"--liberty {on}=FILE[,FILE...]")
    return {
        "library": on,
        "name": subject.name,
        "title": subject.title,
        "source": subject.source,
        "kind": subject.kind,
        "accounting": accounting,
        "planes": planes,
        "mantissa_bits": subject.mantissa_bits(planes),
        "macs_per_cycle": rate,
        "area": round(area, 4),
        "area_per_mac": round(area / rate, 5),
        "delay": round(delay, 4),
        "delay_unit": unit,
        "mhz": mhz and round(mhz, 3),
        "meets_clock": mhz >= clock if mhz and clock else None,
        "energy": _energy([(share, parts[name]) for name, share in made], subject.name, planes, rate, clock),
        "made_of": [[name, share] for name, share in made],
        "command": " ".join(words),
    }


def _energy(
    made: Sequence[tuple[float, Mapping[str, Any]]],
    subject: str,
    planes: int,
    rate: float,
    clock_mhz: float | None,
) -> dict[str, float] | None:
    """Energy of a multiply-accumulate, from those of the parts by what one element has of each."""
    known = [(share, part["serves"], part["power"].get(subject, {}).get(str(planes))) for share, part in made]
    if clock_mhz is None or any(power is None for _, _, power in known):
        return None

    def total(key: str) -> float:
        return float(sum(share * serves * power[key] for share, serves, power in known))

    leakage_w = sum(share * power["leakage_w"] for share, _, power in known)
    per_second = rate * clock_mhz * 1e6
    dynamic, leakage = total("dynamic_fj_per_mac"), leakage_w * 1e15 / per_second
    found = {
        "dynamic_fj": dynamic,
        "clock_fj": total("clock_fj_per_mac"),
        "glitch_fj": total("glitch_fj_per_mac"),
        "leakage_fj": leakage,
        "total_fj": dynamic + leakage,
        "power_w": (dynamic + leakage) * 1e-15 * per_second,
    }
    return {key: float(f"{value:.6g}") for key, value in found.items()}


def converter_rows(data: Mapping[str, Any], subjects: Iterable[Subject]) -> Iterator[dict[str, Any]]:
    """What converts activations or weights, beside the array that it serves."""
    for subject in subjects:
        for on, parts in data["parts"].items():
            made = _made_of(subject, "shared", parts)
            for use in subject.converters:
                found = [name for name in _modules(use.part) if name in parts]
                if made is None or not found:
                    continue
                element = sum(share * parts[name]["area"] for name, share in made)
                own = use.share * parts[found[0]]["area"]
                yield {
                    "library": on,
                    "name": subject.name,
                    "title": subject.title,
                    "converter": use.part.what,
                    "module": found[0],
                    "area": parts[found[0]]["area"],
                    "delay": parts[found[0]]["delay"],
                    "delay_unit": parts[found[0]]["delay_unit"],
                    "share_of_array": round(own / (element + own), 6),
                }
