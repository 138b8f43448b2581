"""The tables of a design file: one a component, each checked by itself (docs/design_files.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "AcceleratorSection",
    "AccumulatorSection",
    "ArraySection",
    "CompressorSection",
    "DatapathSection",
    "ElementwiseSection",
    "EngineSection",
    "FormatSection",
    "MultiStageSection",
    "ProcessingElementSection",
    "Section",
    "StageSection",
]

#: What a memory may have, and what an address of the accelerator's registers can name.
Words = Annotated[int, Field(ge=2, le=1 << 24)]
Beat = Literal[64, 128, 256, 512, 1024]
#: Smallest and largest value, as a list: TOML has nothing else.
Range = Annotated[list[int], Field(min_length=2, max_length=2)]


class Section(BaseModel):
    """A table: unknown keys are refused."""

    # Strict: a string is not a number, in TOML least of all.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FormatSection(Section):
    """The number format of the activations (docs/contract.md, section 2)."""

    encoding: Literal["twos-complement", "sign-magnitude"] = Field(
        description="A group is P two's-complement planes, or a sign plane and M magnitude planes."
    )
    rounding: Literal["nearest", "truncate"] = Field(description="What happens to bits below the last plane.")
    group: Literal[8, 16, 32, 64, 128, 256] = Field(
        default=64, description="Activations that share an exponent, and lanes of a processing element."
    )
    max_planes: Annotated[int, Field(ge=2, le=17)] = Field(
        default=17,
        description="Most planes a group may take (M + 1 or P); the number is chosen at run time up to this.",
    )


class ProcessingElementSection(Section):
    """The bit-plane dot product of one group (docs/contract.md, section 5)."""

    level_bits: Annotated[int, Field(ge=1, le=8)] = Field(
        default=4, description="Width of a signed weight level."
    )
    planes_per_cycle: Literal[1, 2, 4] = Field(default=1, description="Planes taken in one clock cycle.")
    weights: Literal["outside", "shared", "inside"] = Field(
        default="outside",
        description="Where the weight registers are: outside, left to the user; shared, one buffer for a "
        "column of elements; inside, double-buffered in every element, as published.",
    )
    rows: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None,
        description="Elements of a column, which share one weight buffer; only with shared weights, and "
        "without [array], which has rows of its own.",
    )
    reduction: Literal["heap", "tree"] = Field(
        default="heap",
        description="How 64 products become one sum: one bit heap, or a tree of adders as published.",
    )
    products: Literal["lanes", "pairs"] = Field(
        default="lanes",
        description="What an element adds up: a product for each lane, or one for each pair of lanes, which "
        "is selected from levels and sums that the rows of a column share. Pairs are for two's complement, a "
        "heap, and weights outside or shared.",
    )
    accumulator_bits: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None, description="Width of the plane accumulator; without it, the exact one."
    )

    weight_format: str | None = Field(
        default=None,
        description="Store codes of this format of the catalogue (`anda formats`) and decode them behind the "
        "registers; it must have integer levels, which decide level_bits. Only with shared weights; without "
        "it, the registers hold the levels.",
    )

    certified: Range | None = Field(
        default=None,
        description="Smallest and largest sum that the weights it is built for can reach, from a certificate "
        "(docs/certificate.md): the accumulator is as narrow as that, and exact for no other weights.",
    )

    @model_validator(mode="before")
    @classmethod
    def _format_decides(cls, given: Any) -> Any:
        """Elements that are told a format and no width are as wide as its levels."""
        if not isinstance(given, dict) or not isinstance(given.get("weight_format"), str):
            return given
        return {"level_bits": _level_bits(given["weight_format"]), **given}

    @model_validator(mode="after")
    def _codes_are_shared(self) -> ProcessingElementSection:
        if self.weights != "shared" and self.rows is not None:
            raise ValueError(
                'pe.rows says how many elements share their weights, so it needs pe.weights = "shared"'
            )
        if self.weights != "shared" and self.weight_format is not None:
            raise ValueError(
                'pe.weight_format is decoded behind shared registers, so it needs pe.weights = "shared"'
            )
        if self.weight_format is not None and self.level_bits < (bits := _level_bits(self.weight_format)):
            raise ValueError(
                f"pe.level_bits must be at least {bits} for levels of {self.weight_format}, "
                f"not {self.level_bits}"
            )
        return self


def _level_bits(name: str) -> int:
    """Width of the levels of a format that elements can multiply by."""
    from golden import formats
    from hdl.decoder import require_decodable

    return require_decodable(formats.get(name))


class CompressorSection(Section):
    """The bit-plane compressor: FP16 values in, plane words and exponents out."""

    lanes: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Groups compressed at the same time."
    )


class AccumulatorSection(Section):
    """The FP32 accumulator across groups (docs/contract.md, section 6)."""

    elements: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Processing elements that one accumulator serves in turn."
    )
    output: Literal["fp32", "fp16"] = Field(default="fp32", description="How a result leaves.")


class DatapathSection(Section):
    """One row end to end: a compressor, elements that share its planes, and their accumulators."""

    columns: Annotated[int, Field(ge=1, le=64)] = Field(
        default=4, description="Processing elements in the row; an accumulator serves one of them or all."
    )


class StageSection(Section):
    """One register of a multi-stage accumulator, the innermost first."""

    bits: Annotated[int, Field(ge=1, le=62)] = Field(description="Width of the register.")
    count: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Values it adds up before it hands its sum on; without it, any number, in the last stage "
        "alone.",
    )
    policy: Literal["safe", "wrap", "saturate"] = Field(
        default="safe",
        description="What becomes of a sum that does not fit; safe is refused unless every sum fits.",
    )
    certified: Range | None = Field(
        default=None,
        description="Smallest and largest value, from a certificate; without it, the worst case.",
    )


class MultiStageSection(Section):
    """The multi-stage integer accumulator of the sums of [pe] (docs/multistage.md)."""

    slots: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Independent accumulators, one for each processing element served."
    )
    stages: Annotated[list[StageSection], Field(min_length=1)] = Field(
        description="Its registers, the innermost first."
    )


class ArraySection(Section):
    """The array: rows of activations times columns of weights, output stationary (docs/array.md)."""

    rows: Annotated[int, Field(ge=1, le=64)] = Field(
        description="Rows of activations multiplied at the same time; a power of two for an accelerator."
    )
    columns: Annotated[int, Field(ge=1, le=64)] = Field(
        description="Output channels at the same time; for an engine they divide a group."
    )
    sharing: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1,
        description="Rows of a column that one FP32 accumulator serves; it divides rows. A group costs its "
        "planes if it has at least as many.",
    )
    columns_per_load: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1,
        description="Columns that get their weights in one cycle; it divides columns. A group costs its "
        "planes if it has at least columns / columns_per_load.",
    )
    output: Literal["fp16", "fp32"] = Field(
        default="fp16", description="How results leave; fp16 for an engine, which makes activations of them."
    )


class EngineSection(Section):
    """The matrix engine: the array, its memories, and the compressor in the loop (docs/engine.md)."""

    plane_words: Words = Field(
        default=1024, description="Words of the activation buffer: a plane of all rows is one."
    )
    plane_groups: Words = Field(
        default=256, description="Words of the exponent buffer: a group of all rows is one."
    )
    weight_words: Words = Field(
        default=1024,
        description="Words of the weight buffer: the codes and scales of columns_per_load columns for one "
        "group are one.",
    )
    pipelined: bool = Field(
        default=False,
        description="More registers for a faster clock on an FPGA: within compressor, accumulators and "
        "elementwise unit, and behind the memories. A product takes some cycles more; array.sharing is at "
        "least 3.",
    )


class ElementwiseSection(Section):
    """The elementwise unit of the engine, which results pass on their way (docs/elementwise.md)."""

    words: Words = Field(
        default=64, description="Column tiles whose scales and biases are kept: channels / columns."
    )
    silu: bool = Field(
        default=True,
        description="Whether there are SiLU and the gate; otherwise ReLU is the only activation.",
    )


class AcceleratorSection(Section):
    """The engine behind a bus: AXI4-Stream data, AXI4-Lite registers (docs/accelerator.md)."""

    activations_bits: Beat = Field(
        default=64, description="TDATA of the activations that come; at most a group of FP16 values."
    )
    weights_bits: Beat = Field(default=64, description="TDATA of the weights that come.")
    results_bits: Beat = Field(
        default=64, description="TDATA of the results that leave; at most a group of FP16 values."
    )
