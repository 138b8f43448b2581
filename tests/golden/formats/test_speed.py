from __future__ import annotations

import time

import numpy as np
import pytest

from golden import formats

FOUR_BITS = [name for name, form in formats.catalogue().items() if form.code_bits == 4]


@pytest.mark.nightly
@pytest.mark.parametrize("name", FOUR_BITS)
def test_thirty_million_weights_a_second(name: str) -> None:
    """Processor time of one thread, blocks of 128, whatever else the machine does."""
    form = formats.get(name)
    w = np.random.default_rng(1).standard_t(5, (1024, 4096)).astype(np.float32)
    shortest = float("inf")
    for _ in range(4):
        start = time.process_time()
        form.quantize(w, 128)
        shortest = min(shortest, time.process_time() - start)
    assert w.size / shortest > 30e6
