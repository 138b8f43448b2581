"""What the elementwise unit is told to do with the results of a product."""

from __future__ import annotations

from dataclasses import dataclass

from golden.elementwise import Activation

__all__ = ["Steps"]


@dataclass(frozen=True)
class Steps:
    """`activation(x * scale + bias) * gate`, or a part of it (`golden.elementwise`).

    Parameters
    ----------
    scale_base : int, optional
        Where the scales and biases of the first column tile are; None: no scale and no bias.
    activation : str
        "none", "relu" or "silu".
    gated : bool
        There are gates.
    """

    scale_base: int | None = None
    activation: Activation = "none"
    gated: bool = False

    @property
    def fields(self) -> dict[str, int]:
        """As jobs and registers have them."""
        return {
            "scaled": int(self.scale_base is not None),
            "relu": int(self.activation == "relu"),
            "silu": int(self.activation == "silu"),
            "gated": int(self.gated),
            "scale_base": self.scale_base or 0,
        }
