"""Known distributions are found again, and the command says what the functions say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from numpy.typing import NDArray
from scipy import stats
from typer.testing import CliRunner

from anda.cli import app
from anda.profiling import (
    NU_RANGE,
    SAMPLE,
    LayerProfile,
    Unfit,
    choose,
    fit,
    profile_layers,
    profile_tensor,
    sample_indices,
    summarize,
)
from anda.tensors import TensorInfo, open_tensors

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def student(nu: float, *shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_t(nu, shape).astype(np.float32)


def info(w: NDArray[np.float32]) -> TensorInfo:
    return TensorInfo("w", w.shape, "F32")


@pytest.mark.parametrize("nu", [1.0, 1.66, 2.0, 5.0, 10.0, 20.0])
def test_known_parameters_are_found(nu: float) -> None:
    found = fit(0.25 + 3e-3 * student(nu, SAMPLE).astype(np.float64))
    # Four standard deviations of the estimate, which grows with nu.
    assert found.nu == pytest.approx(nu, rel=0.025 + 0.009 * nu)
    assert found.location == pytest.approx(0.25, abs=5e-5)
    assert found.scale == pytest.approx(3e-3, rel=0.02)
    # The distance of a right model is that of chance: at most 1.95 / sqrt(n) in 999 cases of 1000.
    assert found.ks_t < 1.95 / np.sqrt(SAMPLE)
    assert found.ks_gain > 0.001


def test_the_fit_is_the_one_of_scipy_but_faster() -> None:
    values = student(4.0, 3000).astype(np.float64)
    found = fit(values)
    nu, location, scale = stats.t.fit(values)
    assert found.nu == pytest.approx(nu, rel=1e-3)
    mine = stats.t.logpdf(values, found.nu, found.location, found.scale).sum()
    assert mine >= stats.t.logpdf(values, nu, location, scale).sum() - 1e-3
    assert found.ks_t == pytest.approx(
        stats.kstest(values, stats.t(found.nu, found.location, found.scale).cdf).statistic, abs=1e-12
    )
    assert found.ks_normal == pytest.approx(
        stats.kstest(values, stats.norm(values.mean(), values.std()).cdf).statistic, abs=1e-12
    )


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_light_tails_end_the_range_of_nu(kind: str) -> None:
    rng = np.random.default_rng(3)
    values = rng.standard_normal(SAMPLE) if kind == "normal" else rng.uniform(-1, 1, SAMPLE)
    found = fit(values)
    assert found.nu == NU_RANGE[1]
    assert found.unbounded
    assert abs(found.ks_gain) < 0.003


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_the_size_of_the_values_does_not_matter(factor: float) -> None:
    values = student(5.0, 4096).astype(np.float64)
    plain, scaled = fit(values), fit(values * factor)
    assert scaled.nu == pytest.approx(plain.nu, rel=1e-6)
    assert scaled.scale == pytest.approx(plain.scale * factor, rel=1e-6)
    assert scaled.ks_gain == pytest.approx(plain.ks_gain, abs=1e-6)


def test_one_absurd_value_does_not_break_the_fit() -> None:
    values = np.append(student(5.0, 40000).astype(np.float64), 1e20)
    found = fit(values)
    assert 4 < found.nu < 6
    assert found.scale == pytest.approx(1, rel=0.05)
    assert found.ks_gain > 0.3


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (np.ones(100), "a third of the values or more are equal to 1, which no density describes"),
        (np.append(np.zeros(450), np.linspace(-1, 1, 550)), "equal to 0, which no density describes"),
        (np.arange(31.0), "fitted to 32 values or more, not to 31"),
        (np.append(np.arange(40.0), np.nan), "finite values only"),
    ],
    ids=["constant", "pruned", "few", "nan"],
)
def test_what_cannot_be_fitted_is_said(values: NDArray[np.float64], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        fit(values)


def test_a_sample_is_spread_over_everything_and_always_the_same() -> None:
    indices = sample_indices(1_000_003, 1000)
    assert len(np.unique(indices)) == 1000
    stretches = indices * 1000 // 1_000_003
    assert abs(stretches - np.arange(1000)).max() <= 1
    # Not a regular grid, which could fall in step with the rows of a tensor.
    assert len(np.unique(np.diff(indices))) > 500
    np.testing.assert_array_equal(indices, sample_indices(1_000_003, 1000))
    np.testing.assert_array_equal(sample_indices(7, 1000), np.arange(7))


def test_independent_values_keep_their_tails_within_blocks() -> None:
    w = student(5.0, 512, 512)
    found = profile_tensor(info(w), w)
    assert found.sample == SAMPLE
    assert found.raw.nu == pytest.approx(5, rel=0.06)
    assert found.within_blocks.nu == pytest.approx(5.2, rel=0.06)


def test_tails_that_come_from_the_sizes_of_blocks_disappear_within_blocks() -> None:
    rng = np.random.default_rng(5)
    sizes = np.sqrt(4 / rng.chisquare(4, (512, 4, 1)))
    # A normal value over the root of a chi-square is Student's t.
    w = (rng.standard_normal((512, 4, 128)) * sizes).reshape(512, 512).astype(np.float32)
    found = profile_tensor(info(w), w, block=128)
    assert 3.5 < found.raw.nu < 4.5
    assert found.raw.ks_gain > 0.03
    assert found.within_blocks.nu > 50
    # Blocks that are not those of the tensor share their sizes only in part.
    assert profile_tensor(info(w), w, block=512).within_blocks.nu < 10


def test_short_last_blocks_and_blocks_of_zeros_are_blocks() -> None:
    w = student(5.0, 64, 200)
    w[:, 128:] *= 1000
    w[3, :128] = 0
    found = profile_tensor(info(w), w, block=128)
    assert found.raw.nu < 1.5
    assert found.within_blocks.nu > 3


def model(directory: Path) -> Path:
    path = directory / "model.npz"
    heavy, light = student(3.0, 64, 256, seed=1), student(1e9, 64, 256, seed=2)
    tensors: dict[str, Any] = {
        "layer.0.q": heavy,
        "layer.1.q": light,
        "layer.0.norm": np.linspace(0.5, 1.5, 64, dtype=np.float32),
        "layer.0.mask": np.ones((8, 8), dtype=np.float32),
        "ids": np.arange(64).reshape(8, 8),
    }
    np.savez(path, **tensors)
    return path


def test_layers_are_the_matrices_unless_patterns_say_otherwise(tmp_path: Path) -> None:
    file = open_tensors(model(tmp_path))
    assert [one.name for one in choose(file)] == ["layer.0.q", "layer.1.q", "layer.0.mask"]
    assert [one.name for one in choose(file, ["*.norm"])] == ["layer.0.norm"]
    found = list(profile_layers(file, choose(file)))
    assert [type(one) for one in found] == [LayerProfile, LayerProfile, Unfit]
    np.save(tmp_path / "vector.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"vector\.npy holds no matrix of real numbers"):
        choose(open_tensors(tmp_path / "vector.npy"))
    for block, sample in ((1, SAMPLE), (128, 31)):
        with pytest.raises(ValueError, match="should have"):
            next(profile_layers(file, choose(file), block, sample))


def test_the_summary_is_over_layers() -> None:
    fits = [fit(student(nu, 20000).astype(np.float64)) for nu in (2.0, 4.0, 1e9)]
    summary = summarize(fits)
    assert summary.mean_nu == pytest.approx(np.mean([one.nu for one in fits]))
    assert summary.median_nu == fits[1].nu
    assert (summary.least_nu, summary.largest_nu) == (fits[0].nu, 100)
    assert (summary.layers, summary.unbounded) == (3, 1)
    assert summary.t_better == sum(one.ks_gain > 0 for one in fits)


def test_the_command_tells_plots_and_writes(run: Run, tmp_path: Path) -> None:
    path = model(tmp_path)
    result = run("profile", path, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "layer.0.q" in result.stdout
    assert "a third of the values or more are equal to 1" in " ".join(result.stdout.split())
    answer = json.loads((tmp_path / "out" / "profile.json").read_text())
    heavy, light = answer["layers"]
    assert heavy["raw"]["nu"] == pytest.approx(3, rel=0.15)
    assert heavy["raw"]["ks_gain"] > 0.05
    assert light["raw"]["nu"] > 40
    assert answer["summary"]["raw"]["mean_nu"] == pytest.approx((heavy["raw"]["nu"] + light["raw"]["nu"]) / 2)
    assert list(answer["not_fitted"]) == ["layer.0.mask"]
    plots = sorted(file.name for file in (tmp_path / "out").iterdir() if file.suffix == ".svg")
    assert plots == ["layer-layer.0.q.svg", "layer-layer.1.q.svg", "nu.svg"]
    drawing = (tmp_path / "out" / "layer-layer.0.q.svg").read_text()
    assert f"t, nu = {heavy['raw']['nu']:.2f}" in drawing
    assert (tmp_path / "out" / "nu.png").read_bytes().startswith(b"\x89PNG")
    only = json.loads(run("profile", path, "--layers", "*.1.*", "--json").stdout)
    assert [layer["name"] for layer in only["layers"]] == ["layer.1.q"]
    assert only["layers"][0] == light


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["none.npz"], "there is no file none.npz"),
        (["model.npz", "-m", "layer.0.k"], "matches 'layer.0.k'; did you mean layer.0.q?"),
        (["model.npz", "-m", "*mask"], "nothing could be fitted; layer.0.mask: a third of the values"),
        (["model.npz", "--block", "1"], "a block should have 2 elements or more, not 1"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    model(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = run("profile", *arguments, "-o", "out")
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert "Traceback" not in result.output
    assert not Path("out").exists()
