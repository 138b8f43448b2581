from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from anda.llm.cache import Entry, Measurement, ResultCache, file_sha256, tokens_sha256
from anda.llm.evaluate import Reference, Scores

MEASUREMENT = Measurement("a" * 64, "b" * 64, 512, 256, '{"activations":{}}')
ENTRY = Entry(Scores(99, 21.060654712709542, 1.25e-7, 0.875), 3.5)
REFERENCE = Reference(np.arange(12, dtype=np.float32).reshape(3, 4), np.array([5, 6, 7]))


class Cache(ResultCache):
    def __init__(self, directory: Path) -> None:
        self.told: list[str] = []
        super().__init__(directory, self.told.append)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "not" / "yet")


def test_what_is_kept_comes_back_exactly(cache: Cache) -> None:
    assert cache.get(MEASUREMENT) is None
    cache.put(MEASUREMENT, ENTRY)
    assert cache.get(MEASUREMENT) == ENTRY
    (path,) = cache.directory.iterdir()
    assert path.name == f"{MEASUREMENT.name}.json"
    assert path.stat().st_size < 1000
    assert cache.told == []


def test_everything_that_scores_depend_on_tells_results_apart(cache: Cache) -> None:
    cache.put(MEASUREMENT, ENTRY)
    for field in fields(Measurement):
        value = getattr(MEASUREMENT, field.name)
        other = replace(MEASUREMENT, **{field.name: value + 1 if isinstance(value, int) else value + "c"})
        assert other.name != MEASUREMENT.name
        assert cache.get(other) is None
        # The float model does not depend on the plan, and on all else.
        assert (other.reference == MEASUREMENT.reference) == (field.name == "plan")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text[: len(text) // 2], ""),
        (lambda _: "", ""),
        (lambda _: "[]", ""),
        (lambda _: "{}", "sha256"),
        (lambda text: text.replace("21.06", "20.06"), "does not match its checksum"),
        (lambda text: text.replace('"window": 512', '"window": 128'), "does not match its checksum"),
        (lambda text: text.replace('"seconds"', '"minutes"'), "does not match its checksum"),
    ],
)
def test_a_damaged_result_counts_as_missing_and_is_told(cache: Cache, damage: object, reason: str) -> None:
    cache.put(MEASUREMENT, ENTRY)
    (path,) = cache.directory.iterdir()
    path.write_text(damage(path.read_text()))
    assert cache.get(MEASUREMENT) is None
    (sentence,) = cache.told
    assert sentence.startswith(f"the kept result {path} is damaged and is measured again: ")
    assert reason in sentence
    cache.put(MEASUREMENT, ENTRY)
    assert cache.get(MEASUREMENT) == ENTRY


def test_a_result_under_another_name_is_not_taken(cache: Cache) -> None:
    other = replace(MEASUREMENT, stride=128)
    cache.put(MEASUREMENT, ENTRY)
    (path,) = cache.directory.iterdir()
    path.rename(cache.directory / f"{other.name}.json")
    assert cache.get(other) is None
    assert len(cache.told) == 1


def test_hidden_states_come_back_exactly(cache: Cache) -> None:
    assert cache.get_reference(MEASUREMENT) is None
    cache.put_reference(MEASUREMENT, REFERENCE)
    found = cache.get_reference(replace(MEASUREMENT, plan="another"))
    assert found is not None
    assert np.array_equal(found.hidden, REFERENCE.hidden)
    assert np.array_equal(found.targets, REFERENCE.targets)


@pytest.mark.parametrize("keep", [0, 3, 100, 400])
def test_damaged_hidden_states_count_as_missing_and_are_told(cache: Cache, keep: int) -> None:
    cache.put_reference(MEASUREMENT, REFERENCE)
    (path,) = cache.directory.iterdir()
    path.write_bytes(path.read_bytes()[:keep])
    assert cache.get_reference(MEASUREMENT) is None
    (sentence,) = cache.told
    assert sentence.startswith(f"the kept hidden states {path} are damaged and are computed again: ")


def test_a_changed_byte_of_hidden_states_is_found(cache: Cache) -> None:
    cache.put_reference(MEASUREMENT, REFERENCE)
    (path,) = cache.directory.iterdir()
    content = bytearray(path.read_bytes())
    content[content.index(REFERENCE.hidden.tobytes()) + 5] ^= 1
    path.write_bytes(bytes(content))
    assert cache.get_reference(MEASUREMENT) is None
    assert len(cache.told) == 1


def test_digests(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(ValueError, match=r"a file was expected at .*nothing, but there is none"):
        file_sha256(tmp_path / "nothing")
    assert tokens_sha256(np.array([1, 2])) == tokens_sha256(np.array([1, 2], dtype=np.int32))
    assert tokens_sha256(np.array([1, 2])) != tokens_sha256(np.array([2, 1]))


def test_a_result_is_readable(cache: Cache) -> None:
    cache.put(MEASUREMENT, ENTRY)
    (path,) = cache.directory.iterdir()
    assert json.loads(path.read_text())["scores"]["perplexity"] == ENTRY.scores.perplexity
