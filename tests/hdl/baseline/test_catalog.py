# amaranth: UnusedElaboratable=no
"""The catalog of peers: every entry can be built for either kind of adder cells, and says what it does."""

from __future__ import annotations

import pytest

from hdl.baseline.catalog import BASELINES
from hdl.heap import AdderCells
from hdl.modules import NamedComponent


@pytest.mark.parametrize("name", BASELINES)
def test_an_entry_is_what_it_says(name: str) -> None:
    entry = BASELINES[name]
    assert entry.name == name
    assert entry.title
    assert entry.source
    plain, inverting = entry.element(), entry.element(adder_cells=AdderCells.INVERTING)
    assert isinstance(plain, NamedComponent)
    assert plain.module_name != inverting.module_name
    assert entry.macs_per_cycle == plain.parameters.macs_per_cycle > 0
    for converter in entry.converters:
        assert converter.name
        assert converter.per in ("row", "column")
        assert isinstance(converter.component(), NamedComponent)


def test_names_are_unique_modules() -> None:
    modules = [entry.element().module_name for entry in BASELINES.values()]
    assert len(set(modules)) == len(modules)
