"""What shapes an accelerator."""

from __future__ import annotations

from dataclasses import dataclass

from .accelerator_registers import Build, accelerator_registers
from .axi_stream import require_beat
from .engine_parameters import EngineParameters
from .job_checker import ADDRESS_BITS
from .registers import RegisterMap

__all__ = ["AcceleratorParameters"]


@dataclass(frozen=True, kw_only=True)
class AcceleratorParameters:
    """Everything that shapes an accelerator.

    Parameters
    ----------
    engine : EngineParameters
        With a power of two of rows, and buffers of at most 2^24 words.
    activations_bits, weights_bits, results_bits : int
        TDATA of the streams: powers of two from 64 to 1024, those of activations and results at most a group
        of FP16 values.

    Raises
    ------
    ValueError
        Two parts do not fit each other.
    """

    engine: EngineParameters
    activations_bits: int = 64
    weights_bits: int = 64
    results_bits: int = 64

    def __post_init__(self) -> None:
        rows, group = self.engine.array.rows, 16 * self.engine.array.pe.lanes
        if rows & (rows - 1):
            raise ValueError(
                f"the rows of an accelerator must be a power of two, which shapes are easily divided by, "
                f"not {rows}"
            )
        for name in ("activations_bits", "weights_bits", "results_bits"):
            require_beat(name, getattr(self, name))
            if name != "weights_bits" and getattr(self, name) > group:
                raise ValueError(f"{name} must be at most the {group} of a group, not {getattr(self, name)}")
        for name in ("plane_words", "plane_groups", "weight_words", "elementwise_words"):
            if getattr(self.engine, name) > 1 << ADDRESS_BITS:
                raise ValueError(f"{name} must be at most 2^{ADDRESS_BITS}, not {getattr(self.engine, name)}")

    @property
    def build(self) -> Build:
        """What software has to know."""
        array, engine = self.engine.array, self.engine
        return Build(
            rows=array.rows,
            columns=array.columns,
            lanes=array.pe.lanes,
            max_planes=array.pe.max_planes,
            columns_per_load=array.columns_per_load,
            weight_word_bits=engine.weights.word_bits,
            plane_words=engine.plane_words,
            plane_groups=engine.plane_groups,
            weight_words=engine.weight_words,
            activations_bytes=self.activations_bits // 8,
            weights_bytes=self.weights_bits // 8,
            results_bytes=self.results_bits // 8,
            elementwise_words=engine.elementwise_words,
            silu=engine.silu,
        )

    @property
    def registers(self) -> RegisterMap:
        """The register map of this build."""
        return accelerator_registers(self.build, f"accelerator_registers_{self.suffix}")

    @property
    def module_name(self) -> str:
        """Of the accelerator: the parameters in a word."""
        return f"anda_accelerator_{self.suffix}"

    @property
    def suffix(self) -> str:
        """The parameters in a word, as Verilog module names carry them."""
        beats = f"{self.activations_bits}_{self.weights_bits}_{self.results_bits}"
        return f"{self.engine.name.removeprefix('anda_engine_')}_b{beats}"
