"""Which number formats a language model computes in: a plan, as Python, text, TOML or JSON."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from anda.llm.arithmetic import KINDS, Arithmetic
from anda.llm.plan_formats import (
    ActivationFormat,
    WeightPlan,
    activation_text,
    anda_codec,
    parse_activation,
    parse_weights,
)
from golden.anda import Rounding
from golden.bitplanes import Encoding

if TYPE_CHECKING:
    from anda.llm.llama import Llama

__all__ = ["Lengths", "Plan"]

Lengths = Sequence[int] | Mapping[str, int]
"""Lengths of an Anda format: four of them in the order qkv, o, up_gate, down, as the paper's tuples
[M_qkv, M_o, M_u, M_d]; or by place, "qkv" or "12.qkv"."""

_PLACE = re.compile(rf"(?:(?:0|[1-9]\d*)\.)?({'|'.join(KINDS)})")
_SECTIONS = ("activations", "weights", "kv", "attention")
_EACH_LENGTH = re.compile(r"(anda[a-z-]*):(\d+(?:-\d+)+)((?:@\d+)?)")


@dataclass(frozen=True)
class Plan:
    """The format of everything in a model that is not left in floating point.

    Parameters
    ----------
    activations : mapping of str to AndaCodec or ScaledActivation
        The inputs of the projections: by kind ("qkv", "o", "up_gate", "down": A_qkv, A_o, A_u, A_d of the
        Anda paper) for all layers, or by layer and kind ("12.down"), which goes before its kind.
    weights : WeightPlan, optional
        The weights of all linear layers.
    kv : AndaCodec or ScaledActivation, optional
        Keys and values as they are stored, each token's own vector of each head cut into groups: what
        Harmonia (arXiv 2602.04595) adds to Anda. No group holds two tokens: nothing waits for the next one.
    attention : AndaCodec or ScaledActivation, optional
        The other inputs of the attention's products: queries, in groups along the head, and
        probabilities, in groups along the tokens.

    Raises
    ------
    ValueError
        When a place does not exist.
    """

    activations: Mapping[str, ActivationFormat] = field(default_factory=dict)
    weights: WeightPlan | None = None
    kv: ActivationFormat | None = None
    attention: ActivationFormat | None = None

    def __post_init__(self) -> None:
        for place in self.activations:
            _require_place(place)
        object.__setattr__(self, "activations", MappingProxyType(dict(self.activations)))

    def __hash__(self) -> int:
        return hash(self.key())

    def __str__(self) -> str:
        """What `parse` reads, as short as it gets."""
        parts = self.as_dict()
        named = parts.pop("activations", {})
        uniform = len(named) == len(KINDS) and len({named.get(kind) for kind in KINDS}) == 1
        shown = [named["qkv"]] if uniform else [f"{place}={text}" for place, text in named.items()]
        return ",".join([*shown, *(f"{name}={text}" for name, text in parts.items())]) or "float"

    @classmethod
    def uniform(cls, form: ActivationFormat) -> Plan:
        """One activation format for all projections."""
        return cls(dict.fromkeys(KINDS, form))

    @classmethod
    def lengths(
        cls,
        lengths: Lengths,
        encoding: Encoding = "twos-complement",
        rounding: Rounding | None = None,
        group: int = 64,
    ) -> Plan:
        """Anda activations of these lengths.

        Parameters
        ----------
        lengths : sequence of four int, or mapping of str to int
            For qkv, o, up_gate and down, or by place ("qkv", "12.down"): M mantissa bits of
            "sign-magnitude" (M + 1 planes), P planes of "twos-complement", as each counts its own.
        encoding, rounding, group
            As `golden.AndaCodec` takes them; the rounding is by default the one of 2a or 2b.

        Raises
        ------
        ValueError
            When there are not four lengths, or there is no such codec.
        """
        if not isinstance(lengths, Mapping):
            if len(lengths) != len(KINDS):
                raise ValueError(f"{len(KINDS)} lengths are needed, for {', '.join(KINDS)}, not {lengths!r}")
            lengths = dict(zip(KINDS, lengths, strict=True))
        return cls({place: anda_codec(n, encoding, rounding, group) for place, n in lengths.items()})

    @classmethod
    def parse(cls, text: str) -> Plan:
        """A plan from the command line, or from the file of that name.

        `anda:7` is one activation format for all projections, `anda:7-7-6-5` one length for each kind;
        `qkv=anda:7,12.down=int8,weights=sf4@64,kv=anda:6,attention=anda:8` names what goes where, and
        the two may be mixed: `anda:7,12.down=anda:9`. `float` changes nothing. A name that ends in `.toml`
        or `.json` is a file, with the keys of `from_dict`. `anda.llm.plan_formats` lists the formats.

        Raises
        ------
        ValueError
            When the text or the file is not a plan.
        """
        if text.endswith((".toml", ".json")):
            return cls.read(Path(text))
        found: dict[str, Any] = {}
        activations: dict[str, str] = {}
        for item in filter(None, (part.strip() for part in text.split(","))):
            place, form = item.split("=", 1) if _is_named(item) else (None, item)
            if place is None:
                activations |= {} if form == "float" else _everywhere(form)
            elif place in _SECTIONS[1:]:
                found[place] = form
            else:
                activations[place] = form
        return cls.from_dict({"activations": activations, **found})

    @classmethod
    def read(cls, path: Path) -> Plan:
        """A plan from a TOML or JSON file, with the keys of `from_dict`.

        Raises
        ------
        ValueError
            When there is no such file, or it is not a plan; the message names the file.
        """
        if not path.is_file():
            raise ValueError(f"a plan was expected in the file {path}, but there is no such file")
        try:
            text = path.read_text(encoding="utf-8")
            return cls.from_dict(tomllib.loads(text) if path.suffix == ".toml" else json.loads(text))
        except ValueError as error:
            raise ValueError(f"{path} is not a plan: {error}") from error

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Plan:
        """A plan from short names of formats.

        Parameters
        ----------
        found : mapping
            `activations`: a short name for all projections, or short names by place. `weights`, `kv`,
            `attention`: short names.

        Raises
        ------
        ValueError
            When a key or a short name does not exist.
        """
        if not isinstance(found, Mapping) or set(found) - set(_SECTIONS):
            keys = ", ".join(sorted(set(found) - set(_SECTIONS))) if isinstance(found, Mapping) else found
            raise ValueError(f"a plan has the keys {', '.join(_SECTIONS)}, not {keys}")
        named = found.get("activations", {})
        if isinstance(named, str):
            named = _everywhere(named)
        elif not isinstance(named, Mapping):
            raise ValueError(f"activations must be a format or formats by place, not {named!r}")
        texts = {**named, **{key: found[key] for key in _SECTIONS[1:] if key in found}}
        for place, text in texts.items():
            if not isinstance(text, str):
                raise ValueError(f"the format of {place} must be a name, such as anda:7, not {text!r}")
        return cls(
            {place: parse_activation(text) for place, text in named.items()},
            weights=parse_weights(found["weights"]) if "weights" in found else None,
            kv=parse_activation(found["kv"]) if "kv" in found else None,
            attention=parse_activation(found["attention"]) if "attention" in found else None,
        )

    def as_dict(self) -> dict[str, Any]:
        """Short names, as `from_dict` takes them, in one order; what is in floating point is left out.

        A layer's format that is that of its kind anyway is left out too: equal plans give equal dicts.
        """
        kept = {
            place: activation_text(form)
            for place, form in sorted(self.activations.items(), key=lambda item: _order(item[0]))
            if place in KINDS or self.activations.get(place.partition(".")[2]) != form
        }
        found: dict[str, Any] = {"activations": kept} if kept else {}
        if self.weights is not None:
            found["weights"] = str(self.weights)
        for name, form in (("kv", self.kv), ("attention", self.attention)):
            if form is not None:
                found[name] = activation_text(form)
        return found

    def key(self) -> str:
        """Canonical JSON: equal for plans that mean the same. What results are kept by."""
        return json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))

    def activation(self, layer: int, kind: str) -> ActivationFormat | None:
        """The format of one projection's input; None where it stays in floating point."""
        return self.activations.get(f"{layer}.{kind}", self.activations.get(kind))

    def arithmetic(self, model: Llama, exact: bool = False) -> Arithmetic:
        """How a model computes under this plan.

        Parameters
        ----------
        model : Llama
            Its weights are quantized when they are first used, and kept for the plan that was used last.
        exact : bool
            False: activations and weights are rounded to values of their formats, exactly those of the
            golden model, and multiplied in the model's own floating point. True: `golden.gemm` multiplies
            them, every bit as the hardware has it (contract, sections 5 and 6: `fp32`, one rounding per
            group); many times slower.

        Raises
        ------
        ValueError
            When the plan names a layer that the model does not have, or the exact product does not take one
            of its formats.
        """
        from anda.llm.quantized import ExactArithmetic, QuantizedArithmetic

        layers = model.config.layers
        for place in self.activations:
            layer = place.partition(".")[0]
            if layer.isdecimal() and int(layer) >= layers:
                raise ValueError(f"the plan names {place}, but the model has layers 0 to {layers - 1}")
        return ExactArithmetic(self, model) if exact else QuantizedArithmetic(self, model)


def _require_place(place: str) -> None:
    if not _PLACE.fullmatch(place):
        raise ValueError(
            f"activations belong to {', '.join(KINDS)}, or to one of them in a layer such as 12.down, "
            f"not to {place!r}"
        )


def _is_named(item: str) -> bool:
    """Whether `place=format`; the equals sign of `clip=` is none."""
    return "=" in item.partition("+clip=")[0]


def _everywhere(text: str) -> dict[str, str]:
    """One short name for all kinds; `anda:7-7-6-5` has a length for each."""
    match = _EACH_LENGTH.fullmatch(text)
    if match is None:
        return dict.fromkeys(KINDS, text)
    lengths = match[2].split("-")
    if len(lengths) != len(KINDS):
        raise ValueError(f"{text!r} must have {len(KINDS)} lengths, for {', '.join(KINDS)}")
    return {kind: f"{match[1]}:{n}{match[3]}" for kind, n in zip(KINDS, lengths, strict=True)}


def _order(place: str) -> tuple[int, int]:
    """Kinds first, then layer by layer."""
    layer, _, kind = place.rpartition(".")
    return (int(layer) if layer else -1, KINDS.index(kind))
