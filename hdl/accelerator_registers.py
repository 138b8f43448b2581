"""The registers of an accelerator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .array import STALLS
from .job_checker import ADDRESS_BITS, ERRORS, PLANES_BITS, SHAPE_BITS
from .registers import DATA_BITS, Access, Field, Register, RegisterMap

__all__ = ["EVENTS", "IDENTIFIER", "VERSION", "Build", "accelerator_registers"]

#: "ANDA" in ASCII.
IDENTIFIER = 0x414E4441

#: Of the register map, major and minor: the major number changes when software has to.
VERSION = (1, 1)

#: What is noted in the status until software clears it, and may interrupt.
EVENTS = {
    "done": "A load or a product is complete, its results taken by the bus.",
    "refused": "A job was refused; `error` says why. Nothing was changed by it.",
    "nonfinite": "An activation, a scale, a bias or a gate was infinite or NaN, and replaced "
    "(contract, section 1).",
    "overflow": "A result, or an elementwise step on its way, was too large for FP16 and became the largest "
    "finite value.",
    "activations_last": "TLAST of the activations came before the last beat of a load, or not with it.",
    "weights_last": "TLAST of the weights came within a word, which was dropped.",
    "weights_beyond": "A word of weights or scales came when its memory was full, and was dropped.",
    "gates_last": "TLAST of the gates came before the last beat of a product, or not with it.",
}

_STALLS = {
    "planes": "no plane word was there",
    "weights": "no weights were there",
    "sums": "the sums before still waited for their accumulators",
    "results": "there was no room for the results of a tile",
}


@dataclass(frozen=True, kw_only=True)
class Build:
    """The sizes of an accelerator that software has to know; it reads them from the registers.

    Parameters
    ----------
    rows, columns, lanes : int
        Of the array: rows of activations and output channels at the same time, elements of a group.
    max_planes : int
        Most planes of a group.
    columns_per_load, weight_word_bits : int
        A word of the weight buffer: columns and bits.
    plane_words, plane_groups, weight_words : int
        Depths of the activation buffer, of planes and of exponents, and of the weight buffer.
    activations_bytes, weights_bytes, results_bytes : int
        Beats of the streams; those of gates are as wide as those of results.
    elementwise_words : int
        Column tiles whose scales and biases are kept; 0: there is no elementwise unit.
    silu : bool
        The unit has SiLU and gates.
    """

    rows: int
    columns: int
    lanes: int
    max_planes: int
    columns_per_load: int
    weight_word_bits: int
    plane_words: int
    plane_groups: int
    weight_words: int
    activations_bytes: int
    weights_bytes: int
    results_bytes: int
    elementwise_words: int = 0
    silu: bool = False


def accelerator_registers(build: Build, name: str = "accelerator") -> RegisterMap:
    """The map of one build.

    Parameters
    ----------
    build : Build
        The constants.
    name : str
        Of the map.
    """
    registers = [*_identity(build), *_control(build), *_job(), *_weights(), *_counters()]
    registers += _elementwise(build)
    if build.elementwise_words:
        registers += _scales()
    placed = tuple(
        Register(name=each, offset=4 * place, description=text, fields=tuple(fields))
        for place, (each, text, fields) in enumerate(registers)
    )
    description = "Registers of an accelerator of chained matrix products."
    return RegisterMap(name=name, registers=placed, description=description)


_Row = tuple[str, str, list[Field]]


def _identity(build: Build) -> list[_Row]:
    """Who is there, and how large it was built."""

    def constants(*fields: tuple[str, int, int, str]) -> list[Field]:
        return [
            Field(name=each, low=low, bits=bits, access="ro", reset=getattr(build, each), description=text)
            for each, low, bits, text in fields
        ]

    major, minor = VERSION
    words = {
        "plane_words": "Words of the activation buffer: one plane of one group of every row.",
        "plane_groups": "Exponent words of the activation buffer: one group of every row.",
        "weight_words": "Words of the weight buffer.",
    }
    return [
        ("id", "Always the same: `ANDA` in ASCII.", [_whole("ro", "The identifier.", reset=IDENTIFIER)]),
        (
            "version",
            "Of this register map.",
            [
                Field(name="minor", low=0, bits=16, access="ro", reset=minor, description="Minor number."),
                Field(name="major", low=16, bits=16, access="ro", reset=major, description="Major number."),
            ],
        ),
        (
            "array",
            "The size of the array.",
            constants(
                ("rows", 0, 8, "Rows of activations at the same time."),
                ("columns", 8, 8, "Output channels at the same time."),
                ("lanes", 16, 16, "Elements of a group along K."),
            ),
        ),
        (
            "format",
            "The numbers of the build.",
            constants(
                ("max_planes", 0, 8, "Most planes of a group."),
                ("columns_per_load", 8, 8, "Columns of a word of the weight buffer."),
                ("weight_word_bits", 16, 16, "Bits of a word of the weight buffer."),
            ),
        ),
        (
            "streams",
            "The streams of the build, in bytes of a beat.",
            constants(
                ("activations_bytes", 0, 8, "Of the activations."),
                ("weights_bytes", 8, 8, "Of the weights."),
                ("results_bytes", 16, 8, "Of the results."),
            ),
        ),
        *((each, text, [_whole("ro", "Words.", reset=getattr(build, each))]) for each, text in words.items()),
    ]


def _control(build: Build) -> list[_Row]:
    """Commands, what came of them, and interrupts."""
    commands = {
        "start_load": "Begin a load of activations.",
        "start_product": "Begin a product.",
        "load_weights": "The next weight word goes to `weight_address`.",
        "clear_counters": "Set the counters to 0.",
        "reset": "Reset everything but these registers; a job is abandoned, its streams with it.",
    }
    if build.elementwise_words:
        commands["load_scales"] = "The next weight words are scales and biases, and go to `scale_address`."
    enables = [
        Field(name=event, low=bit, description=f"Interrupt while `status.{event}` is set.")
        for bit, event in enumerate(EVENTS, start=1)
    ]
    events = [
        Field(name=event, low=bit, access="w1c", description=text)
        for bit, (event, text) in enumerate(EVENTS.items(), start=1)
    ]
    codes = tuple((code.name.lower(), int(code), text) for code, text in ERRORS.items())
    return [
        (
            "control",
            "Commands. A write after a start waits until the job has been checked.",
            [
                Field(name=each, low=bit, access="wo", description=text)
                for bit, (each, text) in enumerate(commands.items())
            ],
        ),
        (
            "status",
            "What is going on, and what happened; ones written clear what happened.",
            [_hardware("busy", 0, 1, "A job is being checked or done."), *events],
        ),
        (
            "error",
            "Why the latest job was refused.",
            [_whole("ro", "The reason.", bits=max(ERRORS).bit_length(), reset=None, values=codes)],
        ),
        ("interrupt_enable", "Which events set the output `irq`.", enables),
    ]


def _job() -> list[_Row]:
    """The next load or product, in elements."""
    shape, address, planes = SHAPE_BITS, ADDRESS_BITS, PLANES_BITS
    rows: list[tuple[str, str, int, str]] = [
        ("shape_n", "Rows of activations.", shape, "N, at least 1."),
        ("shape_k", "Length of a dot product.", shape, "K, at least 1."),
        ("shape_c", "Output channels; of no matter to a load.", shape, "C, at least 1."),
        ("planes", "Of the activations.", planes, "Planes of a group, 2 to `format.max_planes`."),
        ("base", "Where the plane words of [N, K] begin.", address, "Address in plane words."),
        ("exponent_base", "Where the exponents of [N, K] begin.", address, "Address in exponent words."),
        ("weight_base", "Where the weights of [C, K] begin.", address, "Address in weight words."),
        ("keep", "Where the results of a product go.", 1, "0: to the stream. 1: they stay, compressed."),
        ("out_planes", "Of kept results.", planes, "Planes of a group, 2 to `format.max_planes`."),
        ("out_base", "Where the plane words of kept results begin.", address, "Address in plane words."),
        ("out_exponent_base", "Where their exponents begin.", address, "Address in exponent words."),
    ]
    return [(name, text, [_whole("rw", field, bits=bits)]) for name, text, bits, field in rows]


def _weights() -> list[_Row]:
    """The place of weights that come."""
    return [
        (
            "weight_address",
            "Where weights go after `control.load_weights`.",
            [_whole("rw", "Address in weight words.", bits=ADDRESS_BITS)],
        ),
        (
            "weight_next",
            "Where the next weight word goes.",
            [
                _whole(
                    "ro",
                    "Address in weight words; their number when it is full.",
                    bits=ADDRESS_BITS + 1,
                    reset=None,
                )
            ],
        ),
    ]


def _counters() -> list[_Row]:
    """Cycles, and what was done in them."""
    rows = [
        ("cycles", "Cycles with a job being checked or done."),
        ("beats", "Cycles of products in which the array multiplied."),
        *((f"stall_{reason}", f"Cycles of products in which {_STALLS[reason]}.") for reason in STALLS),
    ]
    return [(name, text, [_whole("ro", "Count modulo 2^32.", reset=None)]) for name, text in rows]


def _elementwise(build: Build) -> list[_Row]:
    """What the elementwise unit does with the results of the next product."""
    steps = {
        "scaled": "Times a scale and plus a bias of each channel.",
        "relu": "Then ReLU.",
        "silu": "Then SiLU instead.",
        "gated": "Then times the gates that come by their stream.",
    }
    return [
        (
            "elementwise_unit",
            "The unit that results pass, if it was built.",
            [
                Field(
                    name="words",
                    low=0,
                    bits=ADDRESS_BITS + 1,
                    access="ro",
                    reset=build.elementwise_words,
                    description="Words of scales and biases, each of a column tile; 0: there is no unit.",
                ),
                Field(
                    name="silu",
                    low=31,
                    access="ro",
                    reset=int(build.silu),
                    description="It has SiLU and gates.",
                ),
            ],
        ),
        (
            "elementwise",
            "What happens to the results of a product before they leave or stay.",
            [Field(name=name, low=bit, description=text) for bit, (name, text) in enumerate(steps.items())],
        ),
    ]


def _scales() -> list[_Row]:
    """Where scales and biases are, and where more of them go."""
    return [
        (
            "scale_base",
            "Where the scales and biases of [C] begin.",
            [_whole("rw", "Address in their words.", bits=ADDRESS_BITS)],
        ),
        (
            "scale_address",
            "Where words go after `control.load_scales`.",
            [_whole("rw", "Address in words of scales and biases.", bits=ADDRESS_BITS)],
        ),
        (
            "scale_next",
            "Where the next word of scales and biases goes.",
            [
                _whole(
                    "ro",
                    "Address in such words; their number when the memory is full.",
                    bits=ADDRESS_BITS + 1,
                    reset=None,
                )
            ],
        ),
    ]


def _whole(access: Access, text: str, bits: int = DATA_BITS, **more: Any) -> Field:
    return Field(name="value", low=0, bits=bits, access=access, description=text, **more)


def _hardware(name: str, low: int, bits: int, text: str) -> Field:
    return Field(name=name, low=low, bits=bits, access="ro", reset=None, description=text)
