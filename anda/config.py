"""What to build: a design as a TOML file or a preset, checked, with a JSON Schema."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError, model_validator

from anda.config_sections import (
    AcceleratorSection,
    AccumulatorSection,
    ArraySection,
    CompressorSection,
    DatapathSection,
    ElementwiseSection,
    EngineSection,
    FormatSection,
    MultiStageSection,
    ProcessingElementSection,
    Section,
)

__all__ = ["ConfigError", "Design", "load", "parse", "preset_names"]


#: For each table one that it cannot be without.
_MADE_OF = {
    "multistage": "pe",
    "array": "pe",
    "engine": "array",
    "elementwise": "engine",
    "accelerator": "engine",
}
#: Tables, and keys of [pe] with their defaults, that came when there were recorded designs already: without
#: them, hashes are what they were.
_LATER_TABLES = ("multistage", "array", "engine", "elementwise", "accelerator")
_LATER_KEYS = {"weight_format": None, "certified": None, "products": "lanes"}


class ConfigError(ValueError):
    """A design that cannot be built: the file, the key, what was expected and what came, in one sentence."""


class Design(Section):
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
    multistage: MultiStageSection | None = Field(
        default=None, description="Build a multi-stage integer accumulator of the sums of [pe]."
    )
    array: ArraySection | None = Field(
        default=None, description="Build an array of [pe], with accumulators of its own."
    )
    engine: EngineSection | None = Field(
        default=None, description="Build a matrix engine of [array], with a compressor of its own."
    )
    elementwise: ElementwiseSection | None = Field(
        default=None, description="Give the [engine] an elementwise unit."
    )
    accelerator: AcceleratorSection | None = Field(default=None, description="Put the [engine] behind a bus.")

    @model_validator(mode="after")
    def _tables_have_what_they_need(self) -> Design:
        if self.pe is None and self.compressor is None and self.accumulator is None:
            raise ValueError("at least one of the tables [pe], [compressor] and [accumulator] is required")
        if self.accumulator is not None and self.pe is None:
            raise ValueError("[accumulator] needs [pe], which says how wide the sums are that it adds up")
        if self.datapath is not None and (self.compressor is None or self.accumulator is None):
            raise ValueError("[datapath] needs [compressor], [pe] and [accumulator], which it is made of")
        for table, needed in _MADE_OF.items():
            if getattr(self, table) is not None and getattr(self, needed) is None:
                raise ValueError(f"[{table}] needs [{needed}], which it is made of")
        self._require_places()
        return self

    def _require_places(self) -> None:
        """Weights are somewhere, and the number of rows is said once."""
        if self.pe is None:
            return
        if self.array is not None and self.pe.weights == "outside":
            raise ValueError('an [array] holds its weights: pe.weights must be "shared" or "inside"')
        if self.array is not None and self.pe.rows is not None:
            raise ValueError("pe.rows is for a column alone; those of an array are array.rows")
        if self.pe.weights == "shared" and self.column_rows is None:
            raise ValueError('pe.weights = "shared" needs pe.rows, how many elements share them')

    @property
    def column_rows(self) -> int | None:
        """Elements of a column that share their weights; None if none do."""
        if self.pe is None or self.pe.weights != "shared":
            return None
        return self.pe.rows if self.array is None else self.array.rows

    @property
    def configuration(self) -> dict[str, Any]:
        """What was chosen, as JSON holds it, with its defaults."""
        shape = self.model_dump(mode="json", exclude={"description"})
        for table in _LATER_TABLES:
            if shape[table] is None:
                del shape[table]
        for key, default in _LATER_KEYS.items():
            if self.pe is not None and shape["pe"][key] == default:
                del shape["pe"][key]
        if self.engine is not None and not self.engine.pipelined:
            del shape["engine"]["pipelined"]
        return shape

    @property
    def hash(self) -> str:
        """SHA-256 of everything that shapes the hardware: equal designs have equal hashes."""
        shape = {name: value for name, value in self.configuration.items() if name != "name"}
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
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not valid TOML: {error}") from error
    return parse_values(values, where)


def parse_values(values: dict[str, Any], where: str) -> Design:
    """A design from what a TOML file holds; `where` names the file in errors."""
    try:
        return Design.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_sentence(error, where)) from error


def _sentence(error: ValidationError, where: str) -> str:
    """The complaint of pydantic that explains the most, as one sentence."""
    found: list[Any] = list(error.errors())
    # A key that is written wrong is missing as well: its name is what helps.
    first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{where}: {key} is not a known key{_suggestion(first['loc'])}"
    if first["type"] == "missing":
        return f"{where}: {key} is required, but it is missing"
    if first["type"] == "value_error":
        return f"{where}: {first['ctx']['error']}"
    expected = first["msg"].removeprefix("Input ").removeprefix("String ").removeprefix("List ")
    if first["type"] == "model_type":
        expected = "should be a table"
    got = json.dumps(first["input"]) if isinstance(first["input"], (str, bool)) else first["input"]
    return f"{where}: {key} {expected}, but it is {got}"


def _suggestion(location: tuple[str | int, ...]) -> str:
    """The keys that would have been right, the likely one alone."""
    model: type[BaseModel] = Design
    # Numbers count the tables of a list.
    for part in (part for part in location[:-1] if isinstance(part, str)):
        annotation = model.model_fields[part].annotation
        choices = [annotation, *getattr(annotation, "__args__", ())]
        model = next(c for c in choices if isinstance(c, type) and issubclass(c, BaseModel))
    close = difflib.get_close_matches(str(location[-1]), model.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else f"; expected one of {', '.join(model.model_fields)}"
