"""Numbers of planes on the command line."""

from __future__ import annotations

import pytest

from anda.cli.planes import planes_from


def test_numbers_and_ranges() -> None:
    assert planes_from("6") == [6]
    assert planes_from("4-6, 8") == [4, 5, 6, 8]


@pytest.mark.parametrize("text", ["", "six", "4-", "8-4", "4,,6", "-4"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected numbers of planes"):
        planes_from(text)
