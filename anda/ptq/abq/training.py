"""How ABQ learns a block: as its authors' code has it, and as this project improves on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["PLUS", "Training", "plus_for"]


@dataclass(frozen=True)
class Training:
    """Losses, rates and lengths; the defaults are those of ABQ-LLM's code, for 2-bit weights 40 epochs.

    Attributes
    ----------
    epochs : int
    batch : int
        Windows of a step.
    transform_rate, clipping_rate, compensation_rate : float
        Learning rates of AdamW; that of the transforms is of their logarithms.
    rounding_rate : float
        That of an offset of every weight, in steps, which decides where it is rounded to; 0: none. Ours.
    dlc : bool
        Distribution correction: minus log of the mean cosine between the block's outputs and those of the
        float block, on its own and on the float model's inputs.
    akl : bool
        Divergence of the attention's maps in both directions, as in the code: means of all heads, each
        softmaxed once more.
    mse : bool
        Mean squared error of the same two pairs of outputs: in the code, not in the paper.
    relative : bool
        Squared errors of each token are relative to its energy, so that no token drowns the others. Ours.
    decay : bool
        Rates fall to 0 along half a cosine. Ours.
    smoothing : float
        Exponent of the activations where the transforms start; 0: they start at 1.
    fitted : bool
        Clipping starts where the squared error of the weights is least, not almost open. Ours.
    seed : int
        Of the order of the windows.

    Raises
    ------
    ValueError
        When a number is out of its range, or there is nothing to minimize.
    """

    epochs: int = 20
    batch: int = 1
    transform_rate: float = 5e-3
    clipping_rate: float = 1e-2
    compensation_rate: float = 1e-2
    rounding_rate: float = 0.0
    dlc: bool = True
    akl: bool = True
    mse: bool = True
    relative: bool = False
    decay: bool = False
    smoothing: float = 0.5
    fitted: bool = False
    seed: int = 2

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.batch < 1:
            raise ValueError(
                "training takes at least 0 epochs of batches of at least 1 window, "
                f"not {self.epochs} of {self.batch}"
            )
        rates = (self.transform_rate, self.clipping_rate, self.compensation_rate, self.rounding_rate)
        if min(rates) < 0 or not 0 <= self.smoothing <= 1:
            raise ValueError(
                f"rates should not be negative and smoothing be in 0..1, not {rates}, {self.smoothing}"
            )
        if not (self.dlc or self.akl or self.mse):
            raise ValueError("training should minimize at least one of dlc, akl and mse")


PLUS = Training(
    epochs=4, batch=4, rounding_rate=1e-2, dlc=False, akl=False, relative=True, decay=True, fitted=True
)
"""ABQ+: rounding is learnt too, from the clipping of least error, on relative errors, with falling rates."""


def plus_for(activation_bits: int | None, epochs: int) -> Training:
    """ABQ+ for activations of a width.

    Those of 8 bits and more need no smoothing, and low-bit weights are better off without.
    """
    wide = activation_bits is None or activation_bits >= 8
    return replace(PLUS, epochs=epochs, smoothing=0.0 if wide else PLUS.smoothing)
