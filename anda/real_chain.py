"""Two chained products of real data, cut to what the buffers of an accelerator hold."""

from __future__ import annotations

from anda import fixture
from hdl.accelerator import AcceleratorParameters
from sim.chain import Chain

__all__ = ["real_chain"]

#: Of the first and the second product, as far as the accelerator has them.
PLANES = (7, 6)


def real_chain(parameters: AcceleratorParameters) -> Chain:
    """Activations of a transformer block times channels of its up projection, and these times its down
    projection: as many of them as fit, with tails.

    Raises
    ------
    ValueError
        The package does not run from a checkout, which has the data, or the buffers are too small for a row.
    """
    found = fixture.load()
    first, second = found["up_gate"], found["down"]
    up, down = first.weights.decode(), second.weights.decode()
    most = parameters.build.max_planes
    n, k = min(2 * parameters.build.rows + 1, len(first.x)), first.x.shape[1]
    hidden = len(up)
    while True:
        chain = Chain(
            x=first.x[:n, :k],
            matrices=(up[:hidden, :k], down[:hidden, :hidden]),
            planes=(min(PLANES[0], most), min(PLANES[1], most)),
        )
        if chain.fits(parameters):
            return chain
        if (n, k, hidden) == (1, 1, 1):
            raise ValueError("the buffers of this accelerator are too small for any chain of products")
        # The longest side first: half of it, and odd, so that a tail stays.
        if k > 1 and k >= hidden:
            k = k // 2 | 1
        elif hidden > 1:
            hidden = hidden // 2 | 1
        else:
            n = max(n // 2, 1)
