from __future__ import annotations

from pathlib import Path

import pytest

from anda.flow import yosys
from anda.flow.cache import cache_folder
from anda.flow.yosys import YosysError, design_name, quoted, run_yosys, tool_versions

DESIGN = {"a.v": "module m(input a, output y); assign y = ~a; endmodule"}


def test_returns_log_netlists_and_rtlil():
    run = run_yosys(["read_verilog a.v", "write_json out.json", "write_rtlil text.il"], inputs=DESIGN)
    assert set(run.netlists["out"]["modules"]) == {"m"}
    assert run.rtlil["text"].count("module \\m") == 1
    assert "Executing Verilog-2005 frontend" in run.log


def test_prints_nothing(capfd: pytest.CaptureFixture[str]):
    run_yosys(["read_verilog a.v", "stat"], inputs=DESIGN)
    with pytest.raises(YosysError):
        run_yosys(["read_verilog absent.v"])
    assert capfd.readouterr() == ("", "")


def test_errors_are_one_sentence_without_folders():
    with pytest.raises(
        YosysError, match=r"^Yosys refused the design: File `absent\.v' not found or is a directory\.$"
    ) as caught:
        run_yosys(["read_verilog absent.v"])
    assert "/tmp" not in str(caught.value)


def test_gives_up_in_time():
    with pytest.raises(YosysError, match=r"within 0\.01 s, it did not"):
        run_yosys(["read_verilog a.v", "synth"], inputs=DESIGN, timeout=0.01)


def test_absence_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(yosys.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(YosysError, match=r"pyosys .* is not installed: pip install 'anda\[flow\]'"):
        run_yosys([])


def test_versions():
    assert set(tool_versions()) == {"pyosys", "abc"}
    assert "compiled" in tool_versions()["abc"]


def test_words_of_a_script():
    assert quoted("/a b/c.lib") == '"/a b/c.lib"'
    assert design_name("top_1$x") == "top_1$x"
    with pytest.raises(YosysError, match="without quotes"):
        quoted('a"b')
    with pytest.raises(YosysError, match="name of a Verilog module, got 'a b'"):
        design_name("a b")


def test_cache_folder_falls_back_when_it_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("x") == tmp_path / "anda" / "x"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_folder("x").is_dir()
    assert cache_folder("x").is_relative_to(tmp_path)
