"""Figures of a quantized tensor, against definitions written out here, and the command that prints them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from numpy.typing import NDArray
from typer.testing import CliRunner

from anda.cli import app
from anda.quantization import QuantizationReport, choose_formats, measure, quantize_tensor
from golden import formats

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def weights(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(11).standard_t(5, shape).astype(np.float32)


def report(
    w: NDArray[np.float32], name: str, block: int | None = None, scale: str | None = None
) -> QuantizationReport:
    return measure(w, quantize_tensor(w, formats.get(name), block, scale))


def test_noise_and_counts_follow_from_their_definitions() -> None:
    w = weights(16, 256)
    found = report(w, "sf4", 128, "fp32")
    table = np.array(formats.get("sf4").values)
    counts = np.zeros(16, dtype=int)
    noise = 0.0
    for row in w.astype(np.float64):
        for block in row.reshape(2, 128):
            scale = np.abs(block).max()
            nearest = np.abs(block[:, None] / scale - table).argmin(axis=1)
            counts += np.bincount(nearest, minlength=16)
            noise += ((table[nearest] * scale - block) ** 2).sum()
    assert found.sqnr_db == pytest.approx(10 * np.log10((w.astype(np.float64) ** 2).sum() / noise), abs=1e-4)
    assert [count.count for count in found.counts] == counts.tolist()
    assert [count.level for count in found.counts] == pytest.approx(table)
    assert (found.levels_used, found.levels, found.weights) == (16, 16, 16 * 256)
    # Nothing lies beyond the block's own extreme.
    assert (found.clipped, found.worst_clip) == (0, 0.0)
    assert found.histogram.counts.sum() == found.weights


def test_noise_on_t_is_about_what_was_published() -> None:
    w = weights(1024, 1024)
    for name, decibels in (("int4", 15.30), ("nf4", 18.57), ("sf4", 18.88), ("e2m1", 18.16)):
        assert report(w, name, 128, "fp32").sqnr_db == pytest.approx(decibels, abs=0.1)


@pytest.mark.parametrize(
    ("name", "block", "scale", "bits"),
    [
        ("sf4", 128, "fp32", 4 + 32 * 2 / 200),
        ("sf4", 100, "fp16", 4 + 16 * 2 / 200),
        ("int4-zp", 200, "fp16", 4 + 20 / 200),
        ("nvfp4", 16, "e4m3", 4 + (8 * 13 * 4 + 32) / 800),
        ("mxfp4", 32, "e8m0", 4 + 8 * 7 / 200),
        ("fp16", None, None, 16),
    ],
)
def test_bits_count_all_that_is_stored(name: str, block: int | None, scale: str | None, bits: float) -> None:
    found = report(weights(4, 200), name, block, scale)
    assert found.bits_per_weight == pytest.approx(bits)
    if block is not None and 200 % block == 0:
        assert found.bits_per_weight == pytest.approx(formats.get(name).bits_per_weight(block, scale))
    assert found.scale_format == (scale or "none")


def test_clipping_is_what_saturates_by_more_than_rounding() -> None:
    # Two blocks; e2m1-sr scales both to 8, which the negative extreme of the second does not have.
    w = np.array([[8.0, -6.9, 1.0, 0.0], [-8.0, 6.9, -7.5, -7.0]], dtype=np.float32)
    found = report(w, "e2m1-sr", 4)
    assert found.clipped == 2
    assert found.worst_clip == pytest.approx(1 - 6 / 8)
    assert found.histogram.edges[0] < -8
    assert found.histogram.counts.sum() == 8
    signed = report(w, "e2m1-sr-signed", 4)
    assert (signed.clipped, signed.worst_clip) == (0, 0.0)
    # With zero points nothing is clipped, and clipping by a ratio is.
    assert report(w, "int4-zp", 4).clipped == 0
    halved = measure(w, quantize_tensor(w, formats.get("sf4"), 4, clip=0.5))
    assert halved.clipped == 6
    assert halved.worst_clip == pytest.approx(0.5)


def test_equal_levels_count_once_and_reserved_codes_not_at_all() -> None:
    w = np.array([[-1e-9, 1e-9, 0.0, 448.0]], dtype=np.float32)
    found = report(w, "e4m3", 4)
    assert found.levels == 253
    assert found.levels_used == 2
    assert {count.level: count.count for count in found.counts if count.count} == {0.0: 3, 448.0: 1}


def test_zero_points_put_the_weights_where_their_codes_are() -> None:
    w = np.linspace(-0.2, 1.3, 16, dtype=np.float32)[None]
    found = report(w, "int4-zp", 16)
    assert [(count.level, count.count) for count in found.counts] == [(float(code), 1) for code in range(16)]
    assert found.histogram.counts.sum() == 16


def test_what_a_format_holds_exactly_has_no_noise() -> None:
    found = report(np.array([[6.0, -0.5, 1.5, 0.0]], dtype=np.float32), "e2m1", 4)
    assert found.sqnr_db is None
    json.dumps(found.as_dict(), allow_nan=False)


def test_formats_of_16_bits_are_not_counted_level_by_level() -> None:
    found = report(weights(8, 64), "fp16")
    assert found.counts == ()
    assert 400 < found.levels_used <= 512
    assert found.sqnr_db is not None
    assert found.sqnr_db > 70


def test_a_block_whose_scale_vanishes_becomes_zero() -> None:
    w = np.zeros((2, 4), dtype=np.float32)
    w[1] = (1, 2, 3, 4)
    found = report(w, "sf4", 4)
    assert next(count.count for count in found.counts if count.level == 0) == 4
    with pytest.raises(ValueError, match="all zero have no ratio of signal to noise"):
        report(w[:1], "sf4", 4)


def test_more_axes_are_one_row_for_each_output() -> None:
    w = weights(8, 16, 3, 3)
    assert report(w, "nf4", 144).as_dict() == report(w.reshape(8, 144), "nf4", 144).as_dict()
    assert report(w, "nf4", 128).bits_per_weight == pytest.approx(4 + 2 * 32 / 144)


def test_formats_are_chosen_once_each() -> None:
    assert [form.name for form in choose_formats(["sf4", "nf4", "sf4"])] == ["sf4", "nf4"]
    four = [form.name for form in choose_formats(["e4m3"], 4)]
    assert four[0] == "e4m3"
    assert {"int4", "sf4", "nf4", "e2m1", "nvfp4", "mxfp4"} < set(four)
    assert all(formats.get(name).code_bits == 4 for name in four[1:])
    # A power of two has no sign, which some formats need.
    powers = {form.name for form in choose_formats([], 4, "e8m0")}
    assert "sf4" in powers
    assert "e2m1-sr-signed" not in powers
    with pytest.raises(ValueError, match=r"formats have codes of 2, 3, 4, .* bits, not 9"):
        choose_formats([], 9)


def file(directory: Path) -> Path:
    np.savez(directory / "model.npz", q=weights(16, 256), k=weights(4, 256), ids=np.arange(3))
    return directory / "model.npz"


def test_the_command_compares_formats_in_one_table(run: Run, tmp_path: Path) -> None:
    source = f"{file(tmp_path)}:q"
    result = run("quantize", source, "-f", "sf4", "-f", "int4", "--block", "128", "--scale", "fp16", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert (answer["file"], answer["tensor"], answer["shape"]) == ("model.npz", "q", [16, 256])
    first, second = answer["formats"]
    assert first == report(weights(16, 256), "sf4", 128, "fp16").as_dict()
    assert second["levels_used"] == 15
    table = run("quantize", source, "-f", "sf4", "-f", "int4", "--scale", "fp16").stdout
    for row in answer["formats"]:
        (line,) = (line for line in table.splitlines() if line.split()[:1] == [row["format"]])
        assert f"{row['sqnr_db']:.2f}" in line.split()
        assert "4.1250" in line.split()
    assert "Levels of" not in table


def test_the_command_lists_levels_and_leaves_what_was_made(run: Run, tmp_path: Path) -> None:
    w = weights(16, 256)
    result = run(
        "quantize", f"{file(tmp_path)}:q", "-f", "int4-zp", "--block", "channel", "-o", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "report.json").read_text())["formats"][0]
    for count in found["counts"]:
        assert [f"{count['level']:g}", f"{count['count']:,}"] in [
            row.split()[:2] for row in result.stdout.splitlines()
        ]
    with np.load(tmp_path / "out" / "int4-zp.npz") as saved:
        levels = saved["values"][saved["codes"]] - saved["zeros"]
        again = levels * saved["scales"] * saved["tensor_scale"]
    noise = 10 * np.log10((w.astype(float) ** 2).sum() / ((again - w).astype(float) ** 2).sum())
    assert found["sqnr_db"] == pytest.approx(noise, abs=1e-4)
    drawing = (tmp_path / "out" / "int4-zp.svg").read_text()
    assert f"int4-zp: {found['sqnr_db']:.2f} dB" in drawing
    assert (tmp_path / "out" / "int4-zp.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_clips(run: Run, tmp_path: Path) -> None:
    source = f"{file(tmp_path)}:q"
    noise = {}
    for clip in ("1", "tensor", "block"):
        answer = json.loads(run("quantize", source, "-f", "int4", "--clip", clip, "--json").stdout)
        noise[clip] = answer["formats"][0]["sqnr_db"]
    assert noise["1"] < noise["tensor"] < noise["block"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["model.npz:q", "-f", "sf44"], "there is no format 'sf44'; the nearest name is 'sf4'"),
        (["model.npz:qq", "-f", "sf4"], "model.npz has no tensor 'qq'; did you mean q?"),
        (["modle.npz:q", "-f", "sf4"], "there is no file modle.npz; did you mean model.npz?"),
        (["model.npz", "-f", "sf4"], "model.npz holds 3 tensors, so one must be named, as in model.npz:q"),
        (["model.npz:q"], "a format was expected, such as `--format sf4`"),
        (["model.npz:q", "-f", "sf4", "--block", "0"], "at least 1"),
        (["model.npz:q", "-f", "sf4", "--block", "x"], "--block should be a number of elements or `channel`"),
        (["model.npz:q", "-f", "sf4", "--scale", "fp8"], "a scale format is one of fp32, fp16"),
        (
            ["model.npz:q", "-f", "sf4", "--clip", "x"],
            "--clip should be a ratio, `tensor` or `block`, not 'x'",
        ),
        (["model.npz:q", "-f", "sf4", "--clip", "2"], "a clip ratio must be above 0 and at most 1"),
        (["model.npz:ids", "-f", "sf4"], "tensor ids of model.npz should hold real numbers"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    file(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = run("quantize", *arguments, "-o", "out")
    assert result.exit_code == 2
    (sentence,) = (line for line in result.stderr.splitlines() if line.startswith("anda: "))
    assert complaint in sentence
    assert "Traceback" not in result.output
    assert not Path("out").exists()
