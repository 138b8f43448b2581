# amaranth: UnusedElaboratable=no
"""Everything that is compared, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from anda.comparison_ours import ablation, accumulators, pairs_of_lanes, planes_per_cycle, presets
from anda.comparison_peers import peer, sharing_figna
from anda.comparison_subjects import Subject
from golden.baseline.bfp import FIGNA_MANTISSA_BITS
from hdl.baseline.catalog import BASELINES

__all__ = ["SUBJECTS", "subjects_named"]


def _all() -> Iterator[Subject]:
    """The order in which they are measured: what the main tables need comes first."""
    first = ("fp-fp", "figna")
    yield from presets()
    yield from (peer(BASELINES[name]) for name in first)
    yield from ablation()
    yield from (sharing_figna(bits, slots) for slots in (4, 16) for bits in (FIGNA_MANTISSA_BITS, 8))
    yield from planes_per_cycle()
    yield from pairs_of_lanes()
    yield from (
        peer(entry) for name, entry in BASELINES.items() if name not in first and not name.startswith("bfp")
    )
    yield from accumulators()
    yield from (peer(entry) for name, entry in BASELINES.items() if name.startswith("bfp"))


SUBJECTS: Mapping[str, Subject] = {subject.name: subject for subject in _all()}
"""Everything that is compared, by name."""


def subjects_named(names: Sequence[str] | None) -> list[Subject]:
    """The subjects of some names, or all of them without names.

    Raises
    ------
    ValueError
        When a name is unknown.
    """
    for name in names or ():
        if name not in SUBJECTS:
            raise ValueError(f"expected an element among {', '.join(SUBJECTS)}, not {name!r}")
    return [subject for subject in SUBJECTS.values() if not names or subject.name in names]
