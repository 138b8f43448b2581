"""Formats of activations and weights inside a model, and their short names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from golden import formats
from golden.anda import AndaCodec, Rounding
from golden.bitplanes import Encoding
from golden.formats import Block, Clip

__all__ = [
    "ActivationFormat",
    "ScaledActivation",
    "WeightPlan",
    "activation_text",
    "anda_codec",
    "parse_activation",
    "parse_weights",
]

ANDA: dict[str, tuple[Encoding, Rounding]] = {
    "anda": ("twos-complement", "nearest"),
    "anda-sm": ("sign-magnitude", "truncate"),
    "anda-truncate": ("twos-complement", "truncate"),
    "anda-sm-nearest": ("sign-magnitude", "nearest"),
}
"""Short names of the encodings and roundings; the first is 2b of the contract, the second 2a."""

_GROUP = 64
_ANDA_TEXT = re.compile(r"(anda[a-z-]*):(\d+)(?:@(\d+))?")
_SCALED_TEXT = re.compile(
    r"(?P<name>[^@/+\s]+)(?:@(?P<block>\w+))?(?:/(?P<scale>[\w-]+))?(?:\+clip=(?P<clip>[\w.]+))?"
)


@dataclass(frozen=True)
class ScaledActivation:
    """Activations in a format of the catalogue, scaled as they come, block by block or token by token.

    Parameters
    ----------
    format : str
        A name of `golden.formats.names()`, such as "int8", "mxint8", "e4m3".
    block : int or "channel", optional
        Elements along K that share a scale; "channel": all of a token's. By default the format's own
        where its family fixes one (microscaling), else a token's.
    scale_format : str, optional
        The format's own by default.

    Raises
    ------
    ValueError
        When the format does not exist or does not take the block or scale format.
    """

    format: str
    block: Block | None = None
    scale_format: str | None = None

    def __post_init__(self) -> None:
        form = formats.get(self.format)
        own: Block = form.block if form.scale_format != "fp32" else "channel"
        object.__setattr__(self, "block", own if self.block is None else self.block)
        object.__setattr__(self, "scale_format", self.scale_format or form.scale_format)
        _require(form, self.block, self.scale_format)

    def __str__(self) -> str:
        if formats.get(self.format).scaling == "none":
            return self.format
        block = "token" if self.block == "channel" else self.block
        return f"{self.format}@{block}/{self.scale_format}"


@dataclass(frozen=True)
class WeightPlan:
    """The weights of every linear layer in one format of the catalogue; embedding and head stay as they are.

    Parameters
    ----------
    format : str
        A name of `golden.formats.names()`.
    block : int or "channel", optional
        Elements along K that share a scale; the format's own by default.
    scale_format : str, optional
        By default FP16 (contract, section 4), or the format's own where its family fixes one.
    clip : float, "tensor", "block" or None
        As `golden.formats.Format.quantize` takes it.

    Raises
    ------
    ValueError
        When the format does not exist or does not take the block or scale format.
    """

    format: str
    block: Block | None = None
    scale_format: str | None = None
    clip: Clip = None

    def __post_init__(self) -> None:
        form = formats.get(self.format)
        own = "fp16" if form.scale_format == "fp32" else form.scale_format
        object.__setattr__(self, "block", form.block if self.block is None else self.block)
        object.__setattr__(self, "scale_format", self.scale_format or own)
        _require(form, self.block, self.scale_format)

    def __str__(self) -> str:
        clip = "" if self.clip is None else f"+clip={self.clip}"
        if formats.get(self.format).scaling == "none":
            return self.format
        return f"{self.format}@{self.block}/{self.scale_format}{clip}"

    @property
    def bits_per_weight(self) -> float:
        """Memory of a weight with its share of scale and zero point."""
        return formats.get(self.format).bits_per_weight(self.block, self.scale_format)


ActivationFormat = AndaCodec | ScaledActivation


def anda_codec(
    length: int,
    encoding: Encoding = "twos-complement",
    rounding: Rounding | None = None,
    group: int = _GROUP,
) -> AndaCodec:
    """The codec of a length as its encoding's own publication counts it.

    Parameters
    ----------
    length : int
        M mantissa bits of `sign-magnitude`, which takes M + 1 planes; P planes of `twos-complement`.
    encoding : str
    rounding : str, optional
        By default "truncate" for `sign-magnitude`, as published, and "nearest" for `twos-complement`.
    group : int
        Elements that share an exponent.

    Raises
    ------
    ValueError
        When the codec does not exist.
    """
    published = encoding == "sign-magnitude"
    chosen = rounding or ("truncate" if published else "nearest")
    return AndaCodec(length + 1 if published else length, encoding, chosen, group)


def activation_text(form: ActivationFormat) -> str:
    """The short name of a format, which `parse_activation` reads."""
    if isinstance(form, ScaledActivation):
        return str(form)
    kind = next(name for name, both in ANDA.items() if both == (form.encoding, form.rounding))
    length = form.planes - (form.encoding == "sign-magnitude")
    return f"{kind}:{length}" + ("" if form.group == _GROUP else f"@{form.group}")


def parse_activation(text: str) -> ActivationFormat:
    """An activation format by its short name.

    | name                         | format                                                          |
    |------------------------------|-----------------------------------------------------------------|
    | `anda:7`, `anda:7@32`        | two's complement, nearest (2b), 7 planes, groups of 64 or 32    |
    | `anda-sm:6`                  | sign and magnitude, truncate (2a), M = 6: 7 planes              |
    | `anda-truncate:7`            | two's complement, truncate                                      |
    | `anda-sm-nearest:6`          | sign and magnitude, nearest                                     |
    | `int8`, `int8@128`           | a format of the catalogue, a scale per token, or per 128        |
    | `mxint8`, `e4m3@32/e8m0`     | with its own block and scale format, or with others             |
    | `fp16`                       | no scale: rounding only                                         |

    Raises
    ------
    ValueError
        When the name is none of these.
    """
    if match := _ANDA_TEXT.fullmatch(text):
        kind, length, group = match[1], int(match[2]), int(match[3] or _GROUP)
        if kind not in ANDA:
            raise ValueError(f"an Anda format is one of {', '.join(ANDA)}, not {kind!r} in {text!r}")
        return anda_codec(length, *ANDA[kind], group)
    if text.partition(":")[0] in ANDA:
        raise ValueError(f"an Anda format is written like anda:7, anda-sm:6 or anda:7@32, not {text!r}")
    parts = _scaled(text, "an activation format", "int8, int8@128, mxint8 or anda:7")
    if parts["clip"] is not None:
        raise ValueError(f"activations are scaled as they come and take no clipping, but {text!r} has it")
    return ScaledActivation(parts["name"], _block(parts["block"], "token", text), parts["scale"])


def parse_weights(text: str) -> WeightPlan:
    """A weight format by its short name: `sf4`, `int4@32`, `nf4@64/bf16`, `int4@channel+clip=block`.

    Block and scale format are by default those of `WeightPlan`.

    Raises
    ------
    ValueError
        When the name is none of these.
    """
    parts = _scaled(text, "a weight format", "int4@128, sf4@64/fp16 or int4+clip=block")
    clip: Clip = None
    if parts["clip"] in ("tensor", "block"):
        clip = parts["clip"]
    elif parts["clip"] is not None:
        clip = _ratio(parts["clip"], text)
    block = _block(parts["block"], "channel", text)
    return WeightPlan(parts["name"], block, parts["scale"], clip)


def _require(form: formats.Format, block: Block | None, scale_format: str | None) -> None:
    """Raise unless a format takes a block and a scale format, which it tells when asked for its memory."""
    form.bits_per_weight(block)
    form.bits_per_weight(1, scale_format)


def _scaled(text: str, what: str, such_as: str) -> dict[str, Any]:
    match = _SCALED_TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{what} is written like {such_as}, not {text!r}")
    return match.groupdict()


def _block(text: str | None, whole: str, where: str) -> Block | None:
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    if text == whole:
        return "channel"
    raise ValueError(f"a block is a number of elements or {whole}, not {text!r} in {where!r}")


def _ratio(text: str, where: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        ratio = 0.0
    if not 0 < ratio <= 1:
        raise ValueError(f"clip is tensor, block or a ratio in (0, 1], not {text!r} in {where!r}")
    return ratio
