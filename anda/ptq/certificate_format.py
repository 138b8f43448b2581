"""The file format of certificates: what is promised of an accumulator (docs/certificate.md)."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from golden.interval import Interval
from golden.multistage import MultiStage, Stage

__all__ = [
    "STAGES",
    "VERSION",
    "WITNESS_RULE",
    "ZERO_POINT",
    "Bound",
    "Certificate",
    "CertificateError",
    "CertifiedStage",
    "StageName",
    "Witness",
]

Bound = Literal["data-type", "l1", "weights"]
StageName = Literal["product", "group", "inner", "outer"]
STAGES: tuple[StageName, ...] = ("product", "group", "inner", "outer")
"""A multiplier, a processing element, a tile's register, and the register that sums tiles."""

VERSION: Literal[1] = 1
ZERO_POINT = (
    "The activations are codes. What a zero point adds to a sum is known before any input comes; it is "
    "subtracted outside of these registers and takes no part in their ranges."
)
WITNESS_RULE = (
    "The largest sum of any run is reached by the largest activation where the level is positive and the "
    "smallest elsewhere; the smallest sum by the smallest activation where the level is positive and the "
    "largest elsewhere."
)

Bits = Annotated[int, Field(ge=1, le=62)]
Count = Annotated[int, Field(ge=1)]


class CertificateError(ValueError):
    """A text that is no certificate: what was expected, what came, and where, in one sentence."""


class _Record(BaseModel):
    # Strict: neither 16.0 nor true is a width.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Witness(_Record):
    """Activations that take a register to the end of its range."""

    channel: int = Field(ge=0, description="Output channel of the weights.")
    start: int = Field(ge=0, description="Input that the first activation goes to; the others follow.")
    activations: list[int] = Field(description="One for each term.")


class CertifiedStage(_Record):
    """One kind of register, and the worst that happens in any of its places."""

    name: StageName = Field(
        description="What the register sums: a multiplication alone, a group, a tile, a row."
    )
    count: Count = Field(description="Results of the stage before that it adds: products, groups, tiles.")
    bits: Bits = Field(description="Width of the signed register.")
    policy: Literal["safe"] = Field(description="It neither wraps nor saturates, for it never has to.")
    bound: Bound = Field(
        description="The most general reason why the width is enough: the types alone (any weights of as "
        "many bits), the l1 norm (any with sums of magnitudes up to `l1`), or these very weights."
    )
    l1: int = Field(ge=0, description="Largest sum of the magnitudes of the levels of one run.")
    min: int = Field(le=0, description="Smallest sum over all runs and all activations.")
    max: int = Field(ge=0, description="Largest sum over all runs and all activations.")
    lowest: Witness = Field(description="Activations that reach `min`, in the first place that does.")
    highest: Witness = Field(description="Activations that reach `max`, in the first place that does.")

    @property
    def range(self) -> Interval:
        """From `min` to `max`."""
        return Interval(self.min, self.max)


class Certificate(_Record):
    """Exact worst cases of every accumulator of a layer; `anda.ptq.certificate.certify` makes one."""

    format: Literal["anda-certificate"] = Field(description="Says what this file is.")
    version: Literal[1] = Field(description="Of the format.")
    weights_sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the levels: channels and inputs as 64-bit integers, then every level as a "
        "32-bit one, channel after channel, all little-endian two's complement.",
    )
    channels: Count = Field(description="Outputs of the layer, rows of the levels.")
    inputs: Count = Field(description="Terms of a whole sum, columns of the levels.")
    level_min: int = Field(description="Smallest level.")
    level_max: int = Field(description="Largest level.")
    activation_bits: Annotated[int, Field(ge=2, le=16)] = Field(description="Width of an activation.")
    activation_signed: bool = Field(description="Two's complement, or unsigned codes.")
    activation_min: int = Field(description="Smallest activation.")
    activation_max: int = Field(description="Largest activation.")
    zero_point: str = Field(
        description="Where zero points of activations are accounted for; always this sentence."
    )
    tile: Count = Field(description="Inputs of a tile, by their index; the last tile may be short.")
    inner_bits: Bits = Field(description="Width of the register that sums a tile.")
    outer_bits: Bits = Field(description="Width of the register that sums the tiles.")
    witness_rule: str = Field(
        description="How the inputs follow that reach all other ends; always this sentence."
    )
    stages: Annotated[list[CertifiedStage], Field(min_length=len(STAGES), max_length=len(STAGES))] = Field(
        description="The registers, in the order that data takes."
    )
    outer_min: list[int] = Field(description="Smallest sum of every channel.")
    outer_max: list[int] = Field(description="Largest sum of every channel.")
    inner_min: list[list[int]] = Field(description="Smallest sum of every tile, by channel.")
    inner_max: list[list[int]] = Field(description="Largest sum of every tile, by channel.")

    @property
    def bound(self) -> Bound:
        """The most general reason that holds for all stages at once."""
        order: tuple[Bound, ...] = ("data-type", "l1", "weights")
        return max((stage.bound for stage in self.stages), key=order.index)

    @property
    def accumulator(self) -> MultiStage:
        """The golden model of group, inner and outer register.

        Its first stage counts lanes: where the last group of a tile is short, fill the group with zeros.
        """
        return MultiStage(tuple(Stage(stage.bits, stage.count) for stage in self.stages[1:]))

    def stage(self, name: StageName) -> CertifiedStage:
        """A stage by its name."""
        return self.stages[STAGES.index(name)]

    def to_json(self) -> str:
        """The certificate as text: for equal certificates the same bytes, one line a field."""
        fields = self.model_dump(mode="json")
        lines = (f" {json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items())
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "certificate") -> Certificate:
        """Read a certificate; nothing about weights is checked.

        Parameters
        ----------
        text : str or bytes
        where : str
            Begins an error, such as the name of the file.

        Raises
        ------
        CertificateError
            When the text is not JSON, of an unknown version, or lacks a field, has another one, or one of a
            wrong type.
        """
        try:
            found = json.loads(text, object_pairs_hook=_unique)
        except RecursionError:
            raise CertificateError(f"{where} should be a certificate, but it nests too deeply") from None
        except ValueError as error:
            raise CertificateError(
                f"{where} should be a certificate in JSON, but it is not: {error}"
            ) from None
        if not isinstance(found, dict) or found.get("format") != "anda-certificate":
            raise CertificateError(f'{where} should be a certificate, with "format": "anda-certificate"')
        version = found.get("version")
        if type(version) is not int or version != VERSION:
            raise CertificateError(
                f"{where} should be a certificate of version {VERSION}, not {json.dumps(version)[:40]}"
            )
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            raise CertificateError(f"{where}: {_sentence(error)}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different: JSON itself takes the last of two, and hides the other."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice} comes twice")
    return found


def _sentence(error: ValidationError) -> str:
    """The first complaint of pydantic, short of the value where that is large."""
    first: Any = error.errors()[0]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])[1:]
    if first["type"] == "extra_forbidden":
        return f"{key} is not a known key"
    if first["type"] == "missing":
        return f"{key} is required, but it is missing"
    expected = first["msg"].removeprefix("Input ").removeprefix("String ").removeprefix("List ")
    got = json.dumps(first["input"])
    return f"{key} {expected}, but it is {got if len(got) <= 40 else got[:37] + '...'}"
