"""Libraries of kits in the layout of open_pdks, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from anda.flow.liberty import LibertyError
from anda.flow.library import Library
from anda.flow.pdk import find_liberty, pdk_libraries, pdk_root
from tests.anda.flow.samples import BASIC

FILES = """
sky130A/libs.ref/sky130_fd_sc_hd/lib/sky130_fd_sc_hd__ss_100C_1v60.lib
sky130A/libs.ref/sky130_fd_sc_hd/lib/sky130_fd_sc_hd__tt_025C_1v80.lib
sky130A/libs.ref/sky130_fd_sc_hd/lib/sky130_fd_sc_hd__tt_100C_1v80.lib
sky130A/libs.ref/sky130_fd_io/lib/sky130_fd_io__tt_025C_1v80.lib
sky130A/libs.ref/sky130_fd_sc_hs/lib/sky130_fd_sc_hs__ff_100C_1v95.lib
sky130B/libs.ref/sky130_fd_sc_hd/lib/sky130_fd_sc_hd__tt_025C_1v80.lib
ihp-sg13g2/libs.ref/sg13g2_stdcell/lib/sg13g2_stdcell_fast_1p32V_m40C.lib
ihp-sg13g2/libs.ref/sg13g2_stdcell/lib/sg13g2_stdcell_typ_1p20V_25C.lib
ihp-sg13g2/libs.ref/sg13g2_sram/lib/RM_IHPSG13_1P_typ_1p20V_25C.lib
gf180mcuD/libs.ref/gf180mcu_fd_sc_mcu7t5v0/lib/gf180mcu_fd_sc_mcu7t5v0__tt_025C_3v30.lib
gf180mcuD/libs.ref/gf180mcu_fd_sc_mcu7t5v0/lib/gf180mcu_fd_sc_mcu7t5v0__tt_025C_5v00.lib
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for file in FILES.split():
        path = tmp_path / "pdk" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"library ({path.stem}) {{ {BASIC} }}", encoding="utf-8")
    monkeypatch.delenv("PDK_ROOT", raising=False)
    return tmp_path / "pdk"


def test_libraries_without_pads_memories_and_variants(root: Path) -> None:
    found = {library.short: (library.name, library.process) for library in pdk_libraries(root)}
    assert found == {
        "gf180mcu7t": ("gf180mcu_fd_sc_mcu7t5v0", "gf180mcuD"),
        "sg13g2": ("sg13g2_stdcell", "ihp-sg13g2"),
        "sky130hd": ("sky130_fd_sc_hd", "sky130A"),
        "sky130hs": ("sky130_fd_sc_hs", "sky130A"),
    }


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("sky130hd", "sky130_fd_sc_hd__tt_025C_1v80.lib"),
        ("sky130_fd_sc_hd", "sky130_fd_sc_hd__tt_025C_1v80.lib"),
        ("sky130hd:ss_100C_1v60", "sky130_fd_sc_hd__ss_100C_1v60.lib"),
        ("sg13g2", "sg13g2_stdcell_typ_1p20V_25C.lib"),
        ("gf180mcu7t", "gf180mcu_fd_sc_mcu7t5v0__tt_025C_3v30.lib"),
    ],
)
def test_a_name_stands_for_a_file(root: Path, name: str, file: str) -> None:
    assert find_liberty(name, root).name == file


def test_names_that_mean_nothing(root: Path) -> None:
    with pytest.raises(LibertyError, match="are gf180mcu7t, sg13g2, sky130hd, sky130hs"):
        find_liberty("sky130", root)
    with pytest.raises(LibertyError, match=r"corner of sky130_fd_sc_hs \(ff_100C_1v95\), got 'tt'"):
        find_liberty("sky130hs:tt", root)
    with pytest.raises(LibertyError, match="a typical corner of sky130_fd_sc_hs"):
        find_liberty("sky130hs", root)
    with pytest.raises(LibertyError, match="PDK_ROOT leads to no library"):
        find_liberty("sky130hd")
    assert find_liberty(str(root / "other.lib")) == root / "other.lib"
    with pytest.raises(LibertyError, match="Expected a folder with process design kits"):
        pdk_root(root / "nothing")


def test_the_environment_says_where(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from anda.doctor import look

    assert next(finding for finding in look() if finding.name == "PDK_ROOT").found is None
    monkeypatch.setenv("PDK_ROOT", str(root))
    assert Library.from_files(["sky130hd"]).name == "sky130_fd_sc_hd__tt_025C_1v80"
    found = next(finding for finding in look() if finding.name == "PDK_ROOT").found
    assert found == "gf180mcu7t, sg13g2, sky130hd, sky130hs"
