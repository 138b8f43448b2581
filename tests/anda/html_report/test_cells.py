"""Tables of Markdown as HTML."""

from __future__ import annotations

import pytest

from anda.html_report.cells import html_table, inline, parse_markdown
from tests.anda.html_report.parsed import parse


def test_marks_become_elements_and_everything_else_stays_text() -> None:
    assert inline("**2** of `a<b**c**`") == "<strong>2</strong> of <code>a&lt;b**c**</code>"
    assert inline("[Results](results.md) & <i>") == "Results &amp; &lt;i&gt;"


def test_a_table_is_read_cell_by_cell() -> None:
    headers, rows = parse_markdown("| a | b |\n|---|--:|\n| x | 1.5 |\n|  | - |")
    assert headers == ["a", "b"]
    assert rows == [["x", "1.5"], ["", "-"]]


@pytest.mark.parametrize("table", ["", "| a |", "| a |\n| b |"])
def test_what_is_no_table_is_refused(table: str) -> None:
    with pytest.raises(ValueError, match="expected a table"):
        parse_markdown(table)


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 2 cells"):
        parse_markdown("| a | b |\n|---|---|\n| x |")


def test_columns_of_numbers_are_numeric_and_claims_of_papers_marked() -> None:
    page = parse(html_table(["", "ours", "the paper: MAC", "what"], [["a", "1,000", "2.5%", "x 3"]], "A & B"))
    _, ours, paper, what = next(page.all("tr")).children
    assert ours.attributes["class"] == "number"
    assert paper.attributes["class"] == "claimed number"
    assert "class" not in what.attributes
    assert [badge.words for badge in paper.of_class("badge")] == ["paper's claim"]
    (region,) = page.of_class("scroll")
    assert region.attributes["aria-label"] == "A & B"


def test_small_numbers_are_numbers() -> None:
    page = parse(html_table(["", "KL"], [["a", "8.4e-07"], ["b", "0.0254"]], "t"))
    assert all(cell.attributes["class"] == "number" for cell in page.all("td"))
