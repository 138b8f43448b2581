"""Every format by its name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from golden.formats.floats import element_formats, four_bit_formats, half_formats
from golden.formats.format import Format
from golden.formats.integers import balanced_formats, integer_formats
from golden.formats.mx import microscaling_formats
from golden.formats.ours import searched_formats
from golden.formats.student import quantile_formats, student_float

__all__ = ["catalogue", "get", "names"]

_ANY_NU = re.compile(r"sf([3-8])-nu(\d+(?:\.\d+)?)")


@cache
def catalogue() -> Mapping[str, Format]:
    """All named formats, family after family."""
    formats = [
        *integer_formats(),
        *balanced_formats(),
        *four_bit_formats(),
        *quantile_formats(),
        *searched_formats(),
        *element_formats(),
        *microscaling_formats(),
        *half_formats(),
    ]
    return MappingProxyType({form.name: form for form in formats})


def names() -> list[str]:
    """Names that `get` takes, in the order of the catalogue; `sf<bits>-nu<nu>` is taken for any nu."""
    return list(catalogue())


def get(name: str) -> Format:
    """The format of this name.

    Raises
    ------
    ValueError
        When there is none; the message suggests the nearest name.
    """
    if name in catalogue():
        return catalogue()[name]
    if match := _ANY_NU.fullmatch(name):
        return student_float(int(match[1]), float(match[2]))
    near = difflib.get_close_matches(name.lower(), names(), n=1, cutoff=0)
    raise ValueError(f"there is no format {name!r}; the nearest name is {near[0]!r}")
