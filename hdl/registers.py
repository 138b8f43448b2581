"""Registers described once: the hardware, the documentation and the software's headers all follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

__all__ = ["ACCESSES", "DATA_BITS", "Access", "Field", "Register", "RegisterMap"]

Access = Literal["rw", "ro", "w1c", "wo"]

ACCESSES = get_args(Access)

#: Width of a register and of the bus.
DATA_BITS = 32


@dataclass(frozen=True, kw_only=True)
class Field:
    """Some bits of a register.

    Parameters
    ----------
    name : str
        A lower-case word; "value" for a register that is one field.
    low : int
        Its least significant bit.
    bits : int
    access : str
        "rw": software writes, hardware uses. "ro": software reads. "w1c": hardware sets, software clears with
        ones. "wo": a write is a command, reads give 0.
    reset : int or None
        Of "rw": the value after a reset. Of "ro": the constant that is read; None where hardware tells it. Of
        the others 0.
    description : str
        What it is, in sentences.
    values : tuple of (str, int, str)
        Names of values, each with what it means.

    Raises
    ------
    ValueError
        A part does not fit.
    """

    name: str
    low: int
    bits: int = 1
    access: Access = "rw"
    reset: int | None = 0
    description: str
    values: tuple[tuple[str, int, str], ...] = ()

    def __post_init__(self) -> None:
        _require_name(self.name)
        if self.access not in ACCESSES:
            raise ValueError(
                f"the access of {self.name} must be one of {', '.join(ACCESSES)}, not {self.access!r}"
            )
        if self.low < 0 or self.bits < 1 or self.low + self.bits > DATA_BITS:
            raise ValueError(
                f"the field {self.name} must lie in the {DATA_BITS} bits of a register, "
                f"but it is {self.bits} bits from bit {self.low}"
            )
        for value in (self.reset or 0, *(number for _, number, _ in self.values)):
            if not 0 <= value < 1 << self.bits:
                raise ValueError(f"the {self.bits} bits of {self.name} cannot hold {value}")
        if self.reset is None and self.access != "ro":
            raise ValueError(
                f"only a read-only field takes its value from hardware, but {self.name} is {self.access}"
            )
        if self.reset and self.access in ("w1c", "wo"):
            raise ValueError(f"the field {self.name} must be 0 after a reset, not {self.reset}")

    @property
    def high(self) -> int:
        """Its most significant bit."""
        return self.low + self.bits - 1

    @property
    def mask(self) -> int:
        """Its bits in the register."""
        return ((1 << self.bits) - 1) << self.low

    @property
    def is_constant(self) -> bool:
        """Whether it is read-only and always the same."""
        return self.access == "ro" and self.reset is not None


@dataclass(frozen=True, kw_only=True)
class Register:
    """A word of the map.

    Parameters
    ----------
    name : str
        A lower-case word.
    offset : int
        Of its address, in bytes; a multiple of four.
    fields : tuple of Field
        In ascending order; what is between them is reserved.
    description : str

    Raises
    ------
    ValueError
        Fields overlap or share a name, or the offset is not aligned.
    """

    name: str
    offset: int
    fields: tuple[Field, ...]
    description: str

    def __post_init__(self) -> None:
        _require_name(self.name)
        if self.offset < 0 or self.offset % (DATA_BITS // 8):
            raise ValueError(f"the offset of {self.name} must be a multiple of 4, not {self.offset}")
        if not self.fields:
            raise ValueError(f"the register {self.name} has no field")
        for below, above in pairwise(self.fields):
            if above.low <= below.high:
                raise ValueError(
                    f"the fields of {self.name} must ascend, but {above.name} begins in {below.name}"
                )
        _require_unique("field", [field.name for field in self.fields], self.name)

    @property
    def writable(self) -> int:
        """The bits that a write may set without being refused; read-only ones are ignored."""
        return sum(field.mask for field in self.fields)

    def port(self, field: Field) -> str:
        """The name of a field in hardware: `register_field`, or `register` where that is all of it."""
        return self.name if field.name == "value" else f"{self.name}_{field.name}"


@dataclass(frozen=True, kw_only=True)
class RegisterMap:
    """All registers of a component.

    Parameters
    ----------
    name : str
    registers : tuple of Register
        In ascending order of their offsets.
    description : str

    Raises
    ------
    ValueError
        Two registers share an address or a name.
    """

    name: str
    registers: tuple[Register, ...]
    description: str = ""

    def __post_init__(self) -> None:
        _require_name(self.name)
        if not self.registers:
            raise ValueError(f"the map {self.name} has no register")
        for below, above in pairwise(self.registers):
            if above.offset <= below.offset:
                raise ValueError(f"offsets must ascend, but {above.name} is not behind {below.name}")
        _require_unique("register", [register.name for register in self.registers], self.name)
        _require_unique("port", [register.port(field) for register, field in self.fields], self.name)

    @property
    def fields(self) -> list[tuple[Register, Field]]:
        """Every field with its register."""
        return [(register, field) for register in self.registers for field in register.fields]

    @property
    def bytes(self) -> int:
        """Size of the address space that it decodes: a power of two."""
        return 1 << (self.registers[-1].offset + DATA_BITS // 8 - 1).bit_length()

    @property
    def address_bits(self) -> int:
        """Width of a byte address."""
        return self.bytes.bit_length() - 1

    def __getitem__(self, name: str) -> Register:
        """The register of a name.

        Raises
        ------
        KeyError
            When there is none.
        """
        for register in self.registers:
            if register.name == name:
                return register
        raise KeyError(name)

    def encode(self, name: str, **values: int) -> int:
        """The word of a register with these values of its fields, the others 0.

        Raises
        ------
        ValueError
            A field is unknown, or too narrow for its value.
        """
        register = self[name]
        fields = {field.name: field for field in register.fields}
        word = 0
        for key, value in values.items():
            if key not in fields:
                raise ValueError(f"the register {name} has the fields {', '.join(fields)}, not {key!r}")
            if not 0 <= value < 1 << fields[key].bits:
                raise ValueError(f"{name}.{key} has {fields[key].bits} bits, which cannot hold {value}")
            word |= value << fields[key].low
        return word

    def decode(self, name: str, word: int) -> dict[str, int]:
        """The fields of a word that was read."""
        return {field.name: (word & field.mask) >> field.low for field in self[name].fields}


def _require_name(name: str) -> None:
    if not (name.isidentifier() and name == name.lower() and name.isascii()):
        raise ValueError(f"a name of the map must be a lower-case word, not {name!r}")


def _require_unique(kind: str, names: list[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{where} has more than one {kind} named {name}")
