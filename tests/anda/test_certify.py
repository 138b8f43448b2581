"""The command `anda certify`: certificates made, found right, and found wrong in every single field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from numpy.typing import NDArray
from safetensors.numpy import save_file
from typer.testing import CliRunner

from anda.cli import app

Run = Callable[..., Result]


def certify(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["certify", *map(str, arguments)])


def levels() -> NDArray[np.int8]:
    """Two channels; every sum of the second is smaller, so that each end is reached in one place."""
    array = np.random.default_rng(7).integers(1, 8, (2, 10)).astype(np.int8)
    array[0, ::3] *= -1
    array[0] *= 2
    return array


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "w.npz"
    np.savez(path, levels=levels(), scales=np.ones(2, np.float16))
    return path


@pytest.fixture
def certificate(weights: Path) -> Path:
    path = weights.with_name("w.json")
    done = certify(weights, "--write", path, "--activation-bits", 8, "--tile", 6, "--group", 4)
    assert done.exit_code == 0, done.output
    return path


def test_a_certificate_is_written_and_found_right(weights: Path, certificate: Path) -> None:
    done = certify(weights, certificate)
    assert done.exit_code == 0
    assert "The certificate is right" in done.stdout
    fields = json.loads(certificate.read_text())
    inner = fields["stages"][2]
    (line,) = (line for line in done.stdout.splitlines() if line.strip().startswith("tile "))
    slack = (1 << (inner["bits"] - 1)) - max(-inner["min"], inner["max"] + 1)
    shown = [str(inner["count"]), str(inner["bits"]), f"{inner['min']:,}", f"{inner['max']:,}", f"{slack:,}"]
    assert line.split()[1:] == [*shown, inner["bound"]]
    answer = json.loads(certify(weights, certificate, "--json").stdout)
    assert (answer["valid"], answer["mismatches"]) == (True, [])
    assert [stage["stage"] for stage in answer["stages"]] == ["product", "group", "inner", "outer"]
    assert answer["stages"][2]["slack"] == slack


def test_widths_and_activations_are_as_asked_for(weights: Path) -> None:
    path = weights.with_name("out") / "c.json"
    done = certify(weights, "-w", path, "--unsigned", "--inner-bits", 20, "--outer-bits", 24, "--json")
    assert done.exit_code == 0, done.output
    assert [stage["bits"] for stage in json.loads(done.stdout)["stages"]][2:] == [20, 24]
    fields = json.loads(path.read_text())
    assert (fields["activation_min"], fields["activation_max"], fields["tile"]) == (0, 255, 10)
    assert (fields["inner_bits"], fields["outer_bits"]) == (20, 24)
    assert certify(weights, path).exit_code == 0


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value of a certificate, by the name that messages give it."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from leaves(one, f"{path}[{index}]")
    else:
        yield path, value


def replaced(fields: Any, path: str, value: object) -> Any:
    """The certificate with one value changed."""
    changed = json.loads(json.dumps(fields))
    *way, last = [int(part) if part.isdigit() else part for part in re.findall(r"\w+", path)]
    place = changed
    for step in way:
        place = place[step]
    place[last] = value
    return changed


def other_values(path: str, value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1] if "activations[" in path else [value + 1, value - 1, 10**30]
    if path.endswith("sha256"):
        return ["0" * 64, str(value)[:-1] + "xy"]
    others = {"name": ["outer", "group"], "bound": ["data-type", "l1", "weights"], "policy": ["wrap"]}
    return [other for other in [*others.get(path.split(".")[-1], []), f"{value}!"] if other != value]


def test_every_value_that_is_tampered_with_is_found(weights: Path, certificate: Path) -> None:
    fields = json.loads(certificate.read_text())
    tampered = certificate.with_name("tampered.json")
    count = 0
    for path, value in leaves(fields):
        for other in other_values(path, value):
            tampered.write_text(json.dumps(replaced(fields, path, other)))
            # Without a table, which takes longer than the check.
            done = certify(weights, tampered, "--json")
            assert done.exit_code in (1, 2), f"{path} = {other!r} was found right"
            assert isinstance(done.exception, SystemExit)
            # With other groups of a tile, what differs is what the stage of groups says.
            name = "stages[1]" if path == "stages[1].count" else path.split("activations[")[0]
            assert name in done.stderr, f"{path} = {other!r}: {done.stderr}"
            count += 1
    assert count > 200


def test_every_field_that_is_missing_is_named(weights: Path, certificate: Path) -> None:
    fields = json.loads(certificate.read_text())
    for name in fields:
        certificate.write_text(json.dumps({other: fields[other] for other in fields if other != name}))
        done = certify(weights, certificate)
        assert done.exit_code == 2
        assert name in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_lists_that_are_too_short_are_found(weights: Path, certificate: Path) -> None:
    fields = json.loads(certificate.read_text())
    for path in (
        "inner_min",
        "inner_max[1]",
        "outer_min",
        "outer_max",
        "stages[2].lowest.activations",
        "stages[0].highest.activations",
    ):
        changed = json.loads(json.dumps(fields))
        place = changed
        for part in re.findall(r"\w+", path):
            place = place[int(part) if part.isdigit() else part]
        place.pop()
        certificate.write_text(json.dumps(changed))
        done = certify(weights, certificate)
        assert (done.exit_code, path in done.stderr) == (1, True), path


def test_other_weights_are_not_what_the_certificate_is_about(weights: Path, certificate: Path) -> None:
    for place in ((0, 0), (1, 9)):
        other = levels()
        other[place] -= 1
        np.savez(weights, levels=other)
        done = certify(weights, certificate, "--json")
        assert done.exit_code == 1
        answer = json.loads(done.stdout)
        assert not answer["valid"]
        assert any(text.startswith("weights_sha256: ") for text in answer["mismatches"])
        assert any(text.startswith(f"outer_max[{place[0]}]") for text in answer["mismatches"]) or any(
            text.startswith(f"outer_min[{place[0]}]") for text in answer["mismatches"]
        )
    np.savez(weights, levels=levels()[:, :9])
    assert "inputs: the certificate says 10, but it is 9" in certify(weights, certificate).stderr
    np.savez(weights, levels=levels()[:1])
    assert "channels: the certificate says 2, but it is 1" in certify(weights, certificate).stderr


def test_weights_from_every_kind_of_file(weights: Path, certificate: Path) -> None:
    npy, tensors = weights.with_name("w.npy"), weights.with_name("w.safetensors")
    np.save(npy, levels().astype(np.int64))
    save_file({"q": levels(), "s": np.ones(2, np.float32)}, tensors)
    other = weights.with_name("other.npz")
    np.savez(other, a=levels().astype(np.int16).reshape(2, 5, 2), b=np.zeros(3, int))
    for source in (npy, f"{tensors}:q", f"{other}:a", f"{weights}:levels"):
        done = certify(source, certificate)
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{w}"], "expected a certificate to check, or --write and a file for a new one"),
        (["{w}", "{c}", "--write", "x.json"], "and not both"),
        (["{w}", "{c}", "--tile", "8"], "--tile goes with --write"),
        (["{w}", "{c}", "--unsigned"], "--signed or --unsigned goes with --write"),
        (["{w}", "none.json"], "none.json: No such file or directory"),
        (["none.npz", "{c}"], "there is no file none.npz"),
        (["{w}", "{w}"], "w.npz should be a certificate in JSON"),
        (["{c}", "{c}"], "a file of tensors is one of"),
        (["{w}:scales", "{c}"], "tensor scales of w.npz should hold integer levels, not F16 of shape"),
        (["{w}:nothing", "{c}"], "w.npz has no tensor 'nothing'; it has levels, scales"),
        (["{w}", "--write", "x.json", "--inner-bits", "11"], "inner registers of 11 bits hold -1024 to 1023"),
        (["{w}", "--write", "x.json", "--activation-bits", "1"], "2 to 16 bits, not 1"),
        (["{w}", "--write", "x.json", "--tile", "0"], "expected a tile of at least 1 input"),
    ],
)
def test_bad_input_is_one_sentence(
    weights: Path,
    certificate: Path,
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = certify(*(text.format(w=weights, c=certificate) for text in arguments))
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not Path("x.json").exists()


def test_damaged_weights_are_one_sentence(weights: Path, certificate: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:100])
    done = certify(weights, certificate)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    np.savez(weights, levels=np.array([[1 << 40]]))
    done = certify(weights, certificate)
    assert done.exit_code == 2
    assert "levels should have at most 32 bits" in done.stderr
