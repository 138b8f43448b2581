from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anda.config import load
from anda.real_chain import real_chain
from anda.tops import accelerator_parameters
from hdl.accelerator import AcceleratorParameters
from sim.driver import Driver


@pytest.fixture
def parameters() -> AcceleratorParameters:
    return accelerator_parameters(load("accelerator"))


def test_the_products_are_chained_real_and_fit(parameters: AcceleratorParameters) -> None:
    chain = real_chain(parameters)
    (up, down), x = chain.matrices, chain.x
    assert x.shape == (9, up.shape[1])
    assert up.shape[0] == down.shape[1] == down.shape[0] == 32
    assert x.shape[1] % parameters.build.lanes
    assert chain.planes == (7, 6)
    assert chain.fits(parameters)
    assert 0.5 < np.abs(x).max() < 10
    needs = chain.needs(Driver(parameters.build))
    # A larger one would not: half as many weights more.
    assert needs["weight_words"] > parameters.engine.weight_words // 3


def test_small_buffers_get_small_products(parameters: AcceleratorParameters) -> None:
    small = replace(
        parameters, engine=replace(parameters.engine, plane_words=40, plane_groups=10, weight_words=20)
    )
    chain = real_chain(small)
    assert chain.fits(small)
    assert chain.x.size < real_chain(parameters).x.size
    none = replace(
        parameters, engine=replace(parameters.engine, plane_words=2, plane_groups=2, weight_words=2)
    )
    with pytest.raises(ValueError, match="too small for any chain of products"):
        real_chain(none)
