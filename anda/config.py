"""What to build: a design as a TOML file or a preset, checked, with a JSON Schema."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = [
    "AccumulatorSection",
    "CompressorSection",
    "ConfigError",
    "DatapathSection",
    "Design",
    "FormatSection",
    "ProcessingElementSection",
    "load",
    "preset_names",
]


class ConfigError(ValueError):
    """A design that cannot be built: the file, the key, what was expected and what came, in one sentence."""


class _Section(BaseModel):
    # Strict: a string is not a number, in TOML least of all.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FormatSection(_Section):
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


class ProcessingElementSection(_Section):
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
        description="Elements of a column, which share one weight buffer; only with shared weights.",
    )
    reduction: Literal["heap", "tree"] = Field(
        default="heap",
        description="How 64 products become one sum: one bit heap, or a tree of adders as published.",
    )
    accumulator_bits: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None, description="Width of the plane accumulator; without it, the exact one."
    )

    @model_validator(mode="after")
    def _rows_share(self) -> ProcessingElementSection:
        if (self.weights == "shared") != (self.rows is not None):
            raise ValueError(
                'pe.weights = "shared" and pe.rows, how many elements share them, need each other'
            )
        return self


class CompressorSection(_Section):
    """The bit-plane compressor: FP16 values in, plane words and exponents out."""

    lanes: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Groups compressed at the same time."
    )


class AccumulatorSection(_Section):
    """The FP32 accumulator across groups (docs/contract.md, section 6)."""

    elements: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Processing elements that one accumulator serves in turn."
    )
    output: Literal["fp32", "fp16"] = Field(default="fp32", description="How a result leaves.")


class DatapathSection(_Section):
    """One row end to end: a compressor, elements that share its planes, and their accumulators."""

    columns: Annotated[int, Field(ge=1, le=64)] = Field(
        default=4, description="Processing elements in the row; an accumulator serves one of them or all."
    )


class Design(_Section):
    """A design: its number format and the components to build for it."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)] = Field(
        description="Name of the design: lower-case letters, digits and underscores."
    )
    description: str = Field(default="", description="One sentence on what it is for.")
    format: FormatSection
    pe: ProcessingElementSection | None = Field(default=None, description="Build a processing element.")
    compressor: CompressorSection | None = Field(default=None, description="Build a compressor.")
    accumulator: AccumulatorSection | None = Field(
        default=None, description="Build an FP32 group accumulator."
    )
    datapath: DatapathSection | None = Field(
        default=None, description="Build a whole row of [compressor], [pe] and [accumulator]."
    )

    @model_validator(mode="after")
    def _builds_something(self) -> Design:
        if self.pe is None and self.compressor is None and self.accumulator is None:
            raise ValueError("at least one of the tables [pe], [compressor] and [accumulator] is required")
        if self.accumulator is not None and self.pe is None:
            raise ValueError("[accumulator] needs [pe], which says how wide the sums are that it adds up")
        if self.datapath is not None and (self.compressor is None or self.accumulator is None):
            raise ValueError("[datapath] needs [compressor], [pe] and [accumulator], which it is made of")
        return self

    @property
    def hash(self) -> str:
        """SHA-256 of everything that shapes the hardware: equal designs have equal hashes."""
        shape = self.model_dump(mode="json", exclude={"name", "description"})
        return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()


def preset_names() -> list[str]:
    """Names of the designs that come with the package."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in (resources.files("anda") / "presets").iterdir()
        if entry.name.endswith(".toml")
    )


def load(source: str) -> Design:
    """Read a preset by its name or a design from a TOML file.

    Parameters
    ----------
    source : str
        Name of a preset, or path of a file whose name ends in `.toml`.

    Raises
    ------
    ConfigError
        When there is no such design, or it is not valid.
    """
    if source.endswith(".toml"):
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ConfigError(f"a design was expected in {source}, which cannot be read: {reason}") from error
        return parse(text, source)
    if source not in preset_names():
        raise ConfigError(
            f"expected a preset ({', '.join(preset_names())}) or a file named *.toml, not {source!r}"
        )
    text = (resources.files("anda") / "presets" / f"{source}.toml").read_text(encoding="utf-8")
    return parse(text, f"{source}.toml")


def parse(text: str, where: str) -> Design:
    """A design from the text of a TOML file; `where` names the file in errors."""
    try:
        return Design.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise ConfigError(_sentence(error, where)) from error


def _sentence(error: ValidationError, where: str) -> str:
    """The first complaint of pydantic as one sentence."""
    first: Any = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{where}: {key} is not a known key{_suggestion(first['loc'])}"
    if first["type"] == "missing":
        return f"{where}: {key} is required, but it is missing"
    if first["type"] == "value_error":
        return f"{where}: {first['ctx']['error']}"
    expected = first["msg"].removeprefix("Input ").removeprefix("String ")
    if first["type"] == "model_type":
        expected = "should be a table"
    got = json.dumps(first["input"]) if isinstance(first["input"], (str, bool)) else first["input"]
    return f"{where}: {key} {expected}, but it is {got}"


def _suggestion(location: tuple[str | int, ...]) -> str:
    """The keys that would have been right, the likely one alone."""
    model: type[BaseModel] = Design
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation
        choices = [annotation, *getattr(annotation, "__args__", ())]
        model = next(c for c in choices if isinstance(c, type) and issubclass(c, BaseModel))
    close = difflib.get_close_matches(str(location[-1]), model.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else f"; expected one of {', '.join(model.model_fields)}"
