"""Certificates against brute force: every corner, random inputs, one bit less, and other people's bounds."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import BaseModel

from anda.ptq.certificate import certify
from anda.ptq.certificate_format import STAGES, Certificate, CertificateError, CertifiedStage, Witness
from anda.ptq.recheck import recheck, replay
from golden.interval import Interval
from golden.multistage import MultiStage, Stage, data_type_bits

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Layer:
    """What a certificate is made for."""

    levels: Ints
    activation_bits: int
    activation_signed: bool
    tile: int | None
    group: int

    @property
    def codes(self) -> Interval:
        return Interval.of_bits(self.activation_bits, self.activation_signed)

    def certify(self, **widths: int) -> Certificate:
        return certify(
            self.levels,
            activation_bits=self.activation_bits,
            activation_signed=self.activation_signed,
            tile=self.tile,
            group=self.group,
            **widths,
        )

    def runs(self) -> dict[str, list[slice]]:
        """The inputs that each register sums."""
        inputs = self.levels.shape[1]
        tile = self.tile or inputs
        tiles = [range(t, min(t + tile, inputs)) for t in range(0, inputs, tile)]
        groups = [part[g : g + self.group] for part in tiles for g in range(0, len(part), self.group)]
        return {
            "product": [slice(i, i + 1) for i in range(inputs)],
            "group": [slice(part.start, part.stop) for part in groups],
            "inner": [slice(part.start, part.stop) for part in tiles],
            "outer": [slice(0, inputs)],
        }

    def through(self, accumulator: MultiStage, x: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Sums [rows, channels] and flags of the golden registers; short groups filled with zeros."""
        products = x[:, np.newaxis, :] * self.levels
        lanes = max(cut.stop - cut.start for cut in self.runs()["group"])
        filled = [
            np.pad(products[..., cut], [(0, 0), (0, 0), (0, lanes - (cut.stop - cut.start))])
            for cut in self.runs()["group"]
        ]
        return accumulator.accumulate(np.concatenate(filled, axis=-1))


@st.composite
def layers(draw: st.DrawFn, most_inputs: int = 8, most_bits: int = 16) -> Layer:
    channels, inputs = draw(st.integers(1, 3)), draw(st.integers(1, most_inputs))
    reach = draw(st.sampled_from([1, 7, 8, 127]))
    flat = draw(st.lists(st.integers(-reach, reach), min_size=channels * inputs, max_size=channels * inputs))
    return Layer(
        np.array(flat).reshape(channels, inputs),
        draw(st.integers(2, most_bits)),
        draw(st.booleans()),
        draw(st.none() | st.integers(1, most_inputs + 2)),
        draw(st.sampled_from([1, 2, 3, 64])),
    )


def corners(codes: Interval, inputs: int) -> Ints:
    return np.array(list(product([codes.min, codes.max], repeat=inputs)))


def sums(layer: Layer, x: Ints, name: str) -> Ints:
    """Exact sums [rows, channels, runs]."""
    cuts = layer.runs()[name]
    return np.stack([x[:, cut] @ layer.levels[:, cut].T for cut in cuts], axis=-1)


@settings(max_examples=150, deadline=None)
@given(layer=layers())
def test_every_extreme_is_that_of_all_corners(layer: Layer) -> None:
    made = layer.certify()
    x = corners(layer.codes, layer.levels.shape[1])
    for stage in made.stages:
        reached = sums(layer, x, stage.name)
        assert (stage.min, stage.max) == (reached.min(), reached.max())
        assert stage.l1 == max(
            np.abs(layer.levels[:, cut]).sum(axis=1).max() for cut in layer.runs()[stage.name]
        )
    inner, outer = sums(layer, x, "inner"), sums(layer, x, "outer")[..., 0]
    assert made.inner_min == inner.min(axis=0).tolist()
    assert made.inner_max == inner.max(axis=0).tolist()
    assert made.outer_min == outer.min(axis=0).tolist()
    assert made.outer_max == outer.max(axis=0).tolist()
    assert recheck(made, layer.levels) == []
    assert replay(made, layer.levels) == []


@settings(max_examples=60, deadline=None)
@given(layer=layers(most_inputs=5, most_bits=2))
def test_corners_are_enough(layer: Layer) -> None:
    """Of two bits, all activations there are."""
    made = layer.certify()
    codes, inputs = layer.codes, layer.levels.shape[1]
    everything = np.array(list(product(range(codes.min, codes.max + 1), repeat=inputs)))
    for stage in made.stages:
        reached = sums(layer, everything, stage.name)
        assert (stage.min, stage.max) == (reached.min(), reached.max())


@settings(max_examples=150, deadline=None)
@given(layer=layers(most_inputs=30), seed=st.integers(0, 2**32 - 1))
def test_no_activations_leave_the_registers(layer: Layer, seed: int) -> None:
    """A stage that is safe is an error in the golden model as soon as it overflows."""
    made = layer.certify()
    codes = layer.codes
    rng = np.random.default_rng(seed)
    x = rng.integers(codes.min, codes.max + 1, (40, layer.levels.shape[1]))
    # Half of them at the ends, chosen by the signs of some channel with a few exceptions.
    signs = layer.levels[rng.integers(0, len(layer.levels), 20)] > 0
    signs ^= rng.random(signs.shape) < 0.1
    x[:20] = np.where(signs, codes.max, codes.min)
    found, flags = layer.through(made.accumulator, x)
    assert found.tolist() == (x @ layer.levels.T).tolist()
    assert not flags.any()


@settings(max_examples=150, deadline=None)
@given(layer=layers(most_inputs=30))
def test_one_bit_less_is_too_narrow_and_the_witness_shows_it(layer: Layer) -> None:
    made = layer.certify()
    for index, stage in enumerate(made.stages[1:]):
        if stage.bits == 1:
            continue
        stages = list(made.accumulator.stages)
        stages[index] = Stage(stage.bits - 1, stage.count, "wrap")
        # The stages behind are as wide as may be, so that only this one can overflow.
        stages[index + 1 :] = [Stage(62, after.count) for after in stages[index + 1 :]]
        overflowed = False
        for witness in (stage.lowest, stage.highest):
            x = np.zeros((1, layer.levels.shape[1]), dtype=np.int64)
            x[0, witness.start : witness.start + len(witness.activations)] = witness.activations
            _, flags = layer.through(MultiStage(tuple(stages)), x)
            assert not np.delete(flags, index, axis=-1).any()
            overflowed |= bool(flags[0, witness.channel, index])
        assert overflowed, f"{stage.name} of {stage.bits} bits"
        if stage.name in ("inner", "outer"):
            with pytest.raises(ValueError, match=f"{stage.name} registers of {stage.bits - 1} bits hold"):
                layer.certify(**{f"{stage.name}_bits": stage.bits - 1})


def heavy(channels: int, inputs: int, reach: int = 7) -> Ints:
    return np.random.default_rng(4).integers(-reach, reach + 1, (channels, inputs))


def test_sums_are_exact_where_floats_are_not() -> None:
    """Sums beyond 2^53, as no float holds: the last unit counts."""
    levels = np.array([[2**31 - 1] * 1000 + [1], [-(2**31)] * 1001])
    made = certify(levels, activation_bits=16, activation_signed=True, tile=600)
    assert made.outer_max == [(1000 * (2**31 - 1) + 1) * 32767, 1001 * 2**31 * 32768]
    assert made.outer_min == [-(1000 * (2**31 - 1) + 1) * 32768, -1001 * 2**31 * 32767]
    assert made.outer_bits == 57
    assert recheck(made, levels) == replay(made, levels) == []


def test_the_register_s_extra_negative_value_is_used() -> None:
    """-128 fits 8 bits, 128 does not."""
    minus = certify(np.array([[1]]), activation_bits=8, activation_signed=True, tile=None)
    plus = certify(np.array([[-1]]), activation_bits=8, activation_signed=True, tile=None)
    assert (minus.inner_bits, plus.inner_bits) == (8, 9)
    assert (minus.inner_min, plus.inner_max) == ([[-128]], [[128]])


def test_a_short_group_in_the_middle_may_be_the_tightest() -> None:
    """Tiles of 5, groups of 3: inputs 3 and 4 are a group of their own, and 5 to 7 the next one."""
    levels = np.ones((1, 10), dtype=np.int64)
    levels[0, 3:5] = [7, -7]
    made = certify(levels, activation_bits=4, activation_signed=True, tile=5, group=3)
    assert (made.stage("group").lowest.start, made.stage("group").highest.start) == (3, 3)
    assert made.stage("group").highest.activations == [7, -8]
    assert made.stage("group").max == 7 * 7 + 7 * 8
    assert recheck(made, levels) == replay(made, levels) == []


def test_zeros_need_one_bit() -> None:
    made = certify(np.zeros((2, 70), int), activation_bits=8, activation_signed=False, tile=32)
    assert [stage.bits for stage in made.stages] == [1] * 4
    assert recheck(made, np.zeros((2, 70), int)) == replay(made, np.zeros((2, 70), int)) == []


@pytest.mark.parametrize(("tile", "group", "counts"), [(128, 64, [1, 64, 2, 4]), (96, 64, [1, 64, 2, 5])])
def test_counts_follow_from_tile_and_group(tile: int, group: int, counts: list[int]) -> None:
    made = certify(heavy(2, 450), activation_bits=8, activation_signed=True, tile=tile, group=group)
    assert [stage.count for stage in made.stages] == counts
    assert [stage.name for stage in made.stages] == list(STAGES)
    assert made.stage("inner").bits == made.inner_bits
    assert made.tile == tile


def test_a_tile_longer_than_the_row_is_the_row() -> None:
    for tile in (None, 100, 1000):
        made = certify(heavy(2, 100), activation_bits=8, activation_signed=True, tile=tile)
        assert (made.tile, [stage.count for stage in made.stages]) == (100, [1, 64, 2, 1])
        assert made.inner_max == [[end] for end in made.outer_max]


def test_the_reason_is_the_most_general_one() -> None:
    """Any weights, any of such a norm, or only these: as wide as each needs, and one bit less."""
    levels = np.full((1, 64), 7)
    levels[0, ::2] = -7
    levels[0, 0] = -8

    def bound(bits: int) -> str:
        made = certify(levels, activation_bits=8, activation_signed=False, tile=None, inner_bits=bits)
        assert recheck(made, levels) == []
        return made.stage("inner").bound

    # 64 * 255 * 8 needs 18 bits, 449 * 255 needs 18, these weights 225 * 255 at most: 17.
    assert data_type_bits(64, 8, 4, False) == 19
    assert [bound(bits) for bits in (62, 19, 18, 17)] == ["data-type"] * 3 + ["weights"]
    sparse = levels * (np.arange(64) < 30)
    made = certify(sparse, activation_bits=8, activation_signed=True, tile=None)
    assert made.stage("inner").bound == "l1"
    assert made.stage("inner").l1 == 30 * 7 + 1
    assert made.bound == "l1"
    everything = certify(levels, activation_bits=8, activation_signed=True, tile=None, inner_bits=20)
    assert everything.stage("outer").bound == everything.bound == "l1"


@pytest.mark.parametrize(("signed", "outer"), [(True, 20), (False, 21)])
def test_a_data_type_certificate_holds_for_the_worst_weights(signed: bool, outer: int) -> None:
    """The W4A8 figures of 256 inputs, by weights that reach them."""
    levels = np.full((2, 256), -8)
    levels[1] = 7
    made = certify(levels, activation_bits=8, activation_signed=signed, tile=None)
    assert made.bound == "data-type"
    assert made.outer_bits == outer - (not signed)  # unsigned activations do not reach 2^8
    assert outer == data_type_bits(256, 8, 4, signed)


def test_the_same_bytes_every_time_and_back_again() -> None:
    levels = heavy(3, 200)
    made = [
        certify(array, activation_bits=8, activation_signed=True, tile=128, inner_bits=18)
        for array in (levels, levels.astype(np.int8), np.asfortranarray(levels))
    ]
    texts = {one.to_json() for one in made}
    assert len(texts) == 1
    (text,) = texts
    assert Certificate.from_json(text) == made[0]
    assert Certificate.from_json(text.encode()).to_json() == text
    fields = json.loads(text)
    assert text.splitlines()[1] == ' "format": "anda-certificate",'
    assert len(text.splitlines()) == len(fields) + 2
    canonical = b"".join(int(n).to_bytes(8, "little") for n in levels.shape)
    canonical += b"".join(int(q).to_bytes(4, "little", signed=True) for q in levels.reshape(-1))
    assert fields["weights_sha256"] == hashlib.sha256(canonical).hexdigest()


def test_the_check_does_not_use_what_made_the_certificate() -> None:
    code = "import sys, anda.ptq.recheck; print([m for m in sys.modules if m == 'anda.ptq.certificate'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_weights_changed_by_one_level() -> None:
    levels = heavy(3, 200)
    made = certify(levels, activation_bits=8, activation_signed=False, tile=64)
    for place in ((0, 0), (2, 199)):
        other = levels.copy()
        other[place] -= np.sign(other[place]) or 1
        found = recheck(made, other)
        assert any(text.startswith("weights_sha256: ") for text in found)
        assert any(
            text.startswith(f"inner_m{'ax' if levels[place] > 0 else 'in'}[{place[0]}]") for text in found
        )
    assert recheck(made, levels[:2])[1] == "channels: the certificate says 3, but it is 2"
    assert recheck(made, levels[:, :60])[1:] == [
        "inputs: the certificate says 200, but it is 60",
        "tile: the certificate says 64, but a row has only 60 inputs",
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"levels": np.zeros((2, 3))}, "should be integers of shape .channels, inputs., .* not float64"),
        ({"levels": np.zeros((0, 3), int)}, r"at least one of each, not int64 of shape \[0, 3\]"),
        ({"levels": np.zeros(3, int)}, r"not int64 of shape \[3\]"),
        ({"levels": np.array([[1 << 31]])}, "at most 32 bits, but reach from 2147483648"),
        ({"tile": 0}, "expected a tile of at least 1 input, not 0"),
        ({"tile": 2.0}, "expected a tile of at least 1 input, not 2.0"),
        ({"group": True}, "expected a group of at least 1 input, not True"),
        ({"activation_bits": 17}, "2 to 16 bits, not 17"),
        ({"inner_bits": 63}, "expected 1 to 62 inner bits, not 63"),
        (
            {"inner_bits": 17},
            "inner registers of 17 bits hold -65536 to 65535, but sums of channel 1, tile 0 ",
        ),
        ({"outer_bits": 16}, "outer registers of 16 bits hold .* of channel [01] reach from"),
    ],
)
def test_what_cannot_be_certified(change: dict[str, Any], sentence: str) -> None:
    levels = heavy(2, 200)
    levels[1, :128] = 7
    arguments = {"levels": levels, "activation_bits": 8, "activation_signed": True, "tile": 128} | change
    with pytest.raises(ValueError, match=sentence):
        certify(**arguments)


def test_sums_too_large_for_a_certificate() -> None:
    levels = np.broadcast_to(np.array([[-(2**31)]]), (1, 1 << 15))
    with pytest.raises(ValueError, match=r"below 2\^61, but 32768 levels from -2147483648"):
        certify(levels, activation_bits=16, activation_signed=True, tile=None)


def text_with(**changes: object) -> str:
    made = certify(heavy(2, 10), activation_bits=4, activation_signed=True, tile=4)
    fields = json.loads(made.to_json()) | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "w.json should be a certificate in JSON, but it is not: "),
        (b"\xff\xfe\xff", "w.json should be a certificate in JSON, but it is not: "),
        ("[" * 100_000, "it nests too deeply"),
        ("[1]", 'should be a certificate, with "format": "anda-certificate"'),
        ('{"version": 1}', 'with "format": "anda-certificate"'),
        ('{"format": "anda-certificate", "format": "anda-certificate"}', "the key format comes twice"),
        (text_with(version=2), "of version 1, not 2"),
        (text_with(version=...), "of version 1, not null"),
        (text_with(version=True), "of version 1, not true"),
        (text_with(tile=...), "w.json: tile is required, but it is missing"),
        (text_with(extra=1), "w.json: extra is not a known key"),
        (text_with(tile=4.0), "tile should be a valid integer, but it is 4.0"),
        (text_with(activation_signed=1), "activation_signed should be a valid boolean, but it is 1"),
        (text_with(inner_bits=63), "inner_bits should be less than or equal to 62, but it is 63"),
        (
            text_with(inner_min=[[1], ["2"]]),
            r"inner_min\[1\]\[0\] should be a valid integer, but it is \"2\"",
        ),
        (text_with(stages=[]), "stages should have at least 4 items"),
        (text_with(weights_sha256="x" * 64), "weights_sha256 should match pattern"),
        (text_with(zero_point=["a" * 50]), r'zero_point should be a valid string, but it is \["a+\.\.\.'),
    ],
)
def test_texts_that_are_no_certificates(text: str | bytes, sentence: str) -> None:
    with pytest.raises(CertificateError, match=sentence) as caught:
        Certificate.from_json(text, "w.json")
    assert "\n" not in str(caught.value)


PAGE = Path(__file__).resolve().parents[3] / "docs" / "certificate.md"


@pytest.mark.parametrize("record", [Certificate, CertifiedStage, Witness])
def test_the_page_lists_every_field(record: type[BaseModel]) -> None:
    lines = [f"| `{name}` | {field.description} |" for name, field in record.model_fields.items()]
    table = "\n".join(["| field | |", "|---|---|", *lines])
    assert f"<!-- fields: {record.__name__} -->\n{table}\n<!-- end -->" in PAGE.read_text()


def test_the_example_of_the_page_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.S)
    assert example.count("assert") == 4
    exec(compile(example, str(PAGE), "exec"), {})
