from __future__ import annotations

import pytest

from anda.flow.liberty import LibertyError, parse_liberty

TEXT = """
/* a comment with { braces } and "quotes" */
library (demo) {
  time_unit : "1ns"; // the rest of the line {
  capacitive_load_unit (1, "pf");
  address : "http://example.org/{x}";
  cell ("first") {
    area : 3.75 ;
    dont_use : true;
    pin (A) { direction : input; capacitance : 0.0017; }
    pin (Y) {
      direction : output;
      function : "!(A)";
      timing () { related_pin : "A"; cell_rise (t) { values ("1, 2", \\
        "3, 4"); } }
    }
    statetable ("CK D", "Q") { \\
      table : "L L : - : L , \\
               H H : - : H"; }
  }
  cell (second) { area : bad; bundle (B) { members (B0, B1); } }
}
"""


def test_reads_attributes_lists_and_groups_in_order():
    library = parse_liberty(TEXT)
    assert library.name == "demo"
    assert library.attributes["address"] == "http://example.org/{x}"
    assert library.lists["capacitive_load_unit"] == ("1", "pf")
    first, second = library.children("cell")
    assert (first.name, first.number("area"), first.flag("dont_use")) == ("first", 3.75, True)
    assert (second.name, second.number("area"), second.flag("dont_use")) == ("second", 0.0, False)
    assert [pin.name for pin in first.children("pin")] == ["A", "Y"]
    assert next(first.children("statetable")).args == ("CK D", "Q")


def test_leaves_timing_out_unless_asked():
    pin = list(next(parse_liberty(TEXT).children("cell")).children("pin"))[1]
    assert pin.groups == []
    pin = list(next(parse_liberty(TEXT, leave_out=frozenset()).children("cell")).children("pin"))[1]
    (rise,) = next(pin.children("timing")).groups
    assert rise.lists["values"] == ("1, 2", "3, 4")


def test_reads_only_the_cells_asked_for():
    library = parse_liberty(TEXT, cells=frozenset({"second"}))
    assert [cell.name for cell in library.children("cell")] == ["second"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a group 'library"),
        ("cell (a) { }", "expected a group 'library"),
        ("library (a) {\n  cell (b) {\n", "group cell .b. has no closing"),
        ("library (a) {\n  cell (b) {\n timing () { \n", "line 3: this group has no closing"),
        ("library (a) {\n}\n}", "line 3: '}' without"),
        ("library (a) {\n\n  = 5;\n}", "line 3: expected a Liberty statement, got '= 5;"),
        ("/* one\n two */ library (a) {\n  ?\n}", "line 3"),
    ],
)
def test_errors_say_what_and_where(text: str, message: str):
    with pytest.raises(LibertyError, match=message):
        parse_liberty(text)
