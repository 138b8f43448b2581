from __future__ import annotations

from itertools import product
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anda.llm.arithmetic import KINDS, PROJECTIONS, Kind, Weight
from anda.llm.capture import capture_inputs
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.llm.plan import Plan
from anda.llm.plan_formats import ScaledActivation, WeightPlan
from anda.llm.quantized import rounded
from golden import formats
from golden.anda import AndaCodec, Rounding
from golden.bitplanes import ENCODINGS, Encoding
from golden.gemm import gemm
from golden.weights import IntegerWeights

from .conftest import LAYERS, TinyModel

TOKENS = np.array([5, 80, 3, 200, 80, 17, 9, 41], dtype=np.int64)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(list(product(ENCODINGS, get_args(Rounding)))),
    st.integers(2, 17),
    st.sampled_from([8, 32, 64]),
    st.integers(1, 150),
    st.integers(0, 2**32 - 1),
    st.sampled_from([np.float32, np.float64]),
)
def test_rounded_activations_are_what_the_golden_codec_decodes(
    kind: tuple[Encoding, Rounding], planes: int, group: int, length: int, seed: int, dtype: Any
) -> None:
    codec = AndaCodec(planes, kind[0], kind[1], group)
    # Any finite FP16 word, and float32 noise below its last bit, which FP16 rounds away.
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 0x7C00, (3, length)) | (rng.integers(0, 2, (3, length)) << 15)
    noise = 1 + rng.uniform(-1, 1, (3, length)) * 2.0**-13
    x = (words.astype(np.uint16).view(np.float16) * noise).clip(-65504, 65504).astype(dtype)
    found = rounded(codec, x)
    assert found.dtype == dtype
    assert np.array_equal(found, codec.decode(codec.encode(x.astype(np.float16))))


@pytest.mark.parametrize("name", ["int8", "int8-zp", "mxint8", "e4m3", "fp16"])
def test_formats_of_the_catalogue_are_scaled_as_activations_come(name: str) -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 70))
    form = ScaledActivation(name)
    # A token alone gives what it gives among others: no scale spans two.
    assert np.array_equal(rounded(form, x)[1, 2], rounded(form, x[1, 2]))
    exact = formats.get(name).quantize(x.astype(np.float32), form.block, form.scale_format)
    assert np.array_equal(rounded(form, x), exact.dequantize())


def test_a_short_last_group_does_not_see_its_padding() -> None:
    x = np.random.default_rng(2).normal(size=(4, 100)).astype(np.float32)
    codec = AndaCodec(6)
    assert np.array_equal(rounded(codec, x)[:, 64:], rounded(codec, x[:, 64:]))


def model_of(tiny: TinyModel, dtype: Any = np.float32) -> Llama:
    return Llama(GgufFile(tiny.path), dtype)


def test_the_model_sees_exactly_the_rounded_inputs(tiny: TinyModel) -> None:
    model, plan = model_of(tiny), Plan({"qkv": AndaCodec(4), "1.qkv": AndaCodec(6), "down": AndaCodec(5)})
    arithmetic = plan.arithmetic(model)
    x = np.random.default_rng(4).normal(size=(3, 32)).astype(np.float32)
    assert np.array_equal(arithmetic.activation(0, "qkv", x), rounded(AndaCodec(4), x))
    assert np.array_equal(arithmetic.activation(1, "qkv", x), rounded(AndaCodec(6), x))
    assert np.array_equal(arithmetic.activation(1, "down", x), rounded(AndaCodec(5), x))
    assert arithmetic.activation(1, "o", x) is x


def test_a_plan_changes_what_it_names_and_nothing_else(tiny: TinyModel) -> None:
    model = model_of(tiny)
    plain = model.logits(TOKENS)
    assert np.array_equal(model.logits(TOKENS, Plan().arithmetic(model)), plain)
    parts = ["qkv=anda:3", "1.o=anda:3", "up_gate=int4", "down=anda-sm:3"]
    parts += ["weights=int4@32", "kv=anda:3", "attention=anda:3"]
    found = [model.logits(TOKENS, Plan.parse(part).arithmetic(model)) for part in parts]
    for i, logits in enumerate(found):
        assert not np.array_equal(logits, plain), parts[i]
        assert all(not np.array_equal(logits, other) for other in found[:i])


def test_more_planes_are_nearer_to_the_float_model(tiny: TinyModel) -> None:
    model = model_of(tiny, np.float64)
    plain = model.logits(TOKENS)

    def distance(text: str) -> float:
        return float(np.abs(model.logits(TOKENS, Plan.parse(text).arithmetic(model)) - plain).max())

    distances = [distance(f"anda:{planes},kv=anda:{planes},attention=anda:{planes}") for planes in (4, 8, 12)]
    assert distances[0] > 4 * distances[1] > 16 * distances[2] > 0


def test_attention_is_rounded_along_the_head_and_along_the_keys(tiny: TinyModel) -> None:
    arithmetic = Plan(kv=AndaCodec(4), attention=AndaCodec(5, group=8)).arithmetic(model_of(tiny))
    x = np.random.default_rng(5).normal(size=(1, 2, 3, 8)).astype(np.float32)
    for place, form in (("keys", AndaCodec(4)), ("values", AndaCodec(4)), ("queries", AndaCodec(5, group=8))):
        found = getattr(arithmetic, place)(0, x)
        for head, token in product(range(2), range(3)):
            assert np.array_equal(found[0, head, token], rounded(form, x[0, head, token])), place
    shares = np.abs(np.random.default_rng(6).normal(size=(2, 2, 3, 20))).astype(np.float32)
    first = arithmetic.probabilities(0, shares)[..., :8]
    assert np.array_equal(first, rounded(AndaCodec(5, group=8), shares[..., :8]))


@pytest.mark.parametrize("exact", [False, True])
def test_an_input_beyond_fp16_is_named(tiny: TinyModel, exact: bool) -> None:
    arithmetic = Plan.parse("anda:7,weights=int4@64").arithmetic(model_of(tiny), exact)
    x = np.ones((2, 64), dtype=np.float32)
    x[1, 5] = -70000
    with pytest.raises(ValueError, match=r"layer 1, down: .* within FP16.* element \(1, 5\) is -70000"):
        arithmetic.activation(1, "down", x)


def inputs(model: Llama, kind: Kind) -> NDArray[Any]:
    return capture_inputs(model, TOKENS, [1], [kind])[1, kind]


def parts_of(model: Llama, kind: Kind) -> list[tuple[str, Weight]]:
    return [
        (part, Weight(f"blk.1.{part}", model.weight(f"blk.1.{part}").astype(np.float32)))
        for part in PROJECTIONS[kind]
    ]


@pytest.mark.parametrize("text", ["anda:6@16,weights=int4@32", "anda-sm:7@8,weights=anda4@16"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_exact_product_is_the_golden_one_bit_by_bit(tiny: TinyModel, kind: Kind, text: str) -> None:
    model, plan = model_of(tiny), Plan.parse(text)
    arithmetic = plan.arithmetic(model, exact=True)
    codec = plan.activation(1, kind)
    assert isinstance(codec, AndaCodec)
    assert plan.weights is not None
    x = inputs(model, kind)
    entered = arithmetic.activation(1, kind, x)
    for part, weight in parts_of(model, kind):
        quantized = formats.get(plan.weights.format).quantize(weight.values, plan.weights.block, "fp16")
        scales = quantized.level_scales.astype(np.float16)
        golden = IntegerWeights(quantized.levels, scales, quantized.block, 8)
        expected = gemm(codec.encode(x.astype(np.float16)), golden, codec)
        assert np.array_equal(arithmetic.product(1, part, entered, weight), expected)


@pytest.mark.parametrize("text", ["anda:6@16,weights=int4@32", "anda:12@8,weights=int4-zp@16"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_fast_product_is_the_exact_one_but_for_float32_sums(
    tiny: TinyModel, kind: Kind, text: str
) -> None:
    """Both multiply the same numbers, which float32 holds; only their sums are rounded.

    A sum of n rounded float32 products, in any order, is within `g(n) = n u / (1 - n u)`, `u = 2^-24`, of
    the exact one, relative to the sum of magnitudes (Higham, "Accuracy and Stability of Numerical
    Algorithms", section 3.1). The fast path has n = K of them, the golden one a group each.
    """
    model, plan = model_of(tiny), Plan.parse(text)
    fast, exact = plan.arithmetic(model), plan.arithmetic(model, exact=True)
    codec = plan.activation(1, kind)
    assert isinstance(codec, AndaCodec)
    assert plan.weights is not None
    x = inputs(model, kind)
    for part, weight in parts_of(model, kind):
        got = fast.product(1, part, fast.activation(1, kind, x), weight)
        want = exact.product(1, part, exact.activation(1, kind, x), weight)
        values = rounded(codec, x).astype(np.float64)
        quantized = formats.get(plan.weights.format).quantize(weight.values, plan.weights.block, "fp16")
        magnitudes = np.abs(values) @ np.abs(quantized.dequantize(np.float64)).T
        sums = [n * 2.0**-24 / (1 - n * 2.0**-24) for n in (x.shape[1], codec.groups(x.shape[1]))]
        assert (np.abs(got.astype(np.float64) - want) <= sum(sums) * magnitudes).all()
        assert not np.array_equal(got, x @ weight.values.T)


def test_a_whole_model_is_the_same_both_ways(tiny: TinyModel) -> None:
    model, plan = model_of(tiny), Plan.parse("anda:9@16,weights=int4@32")
    fast = model.logits(TOKENS, plan.arithmetic(model))
    exact = model.logits(TOKENS, plan.arithmetic(model, exact=True))
    plain = model.logits(TOKENS)
    # A last bit may become another code later on: far below what the formats themselves change.
    assert np.abs(fast - exact).max() < 0.02 * np.abs(exact - plain).max()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weights=int4", "an Anda format in every projection, but qkv of layer 0 has floating point"),
        ("anda:7,1.o=int8,weights=int4", "but o of layer 1 has int8@token/fp32"),
        ("anda:7", "the exact product needs a weight format"),
    ],
)
def test_a_plan_without_an_exact_product_is_refused(tiny: TinyModel, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Plan.parse(text).arithmetic(model_of(tiny), exact=True)


def test_a_block_that_cuts_groups_names_its_layer(tiny: TinyModel) -> None:
    model = model_of(tiny)
    arithmetic = Plan.parse("anda:7,weights=int4@16").arithmetic(model, exact=True)
    with pytest.raises(ValueError, match="layer 0, qkv: a scale block must hold whole"):
        model.logits(TOKENS, arithmetic)
    assert LAYERS == 2  # The layers that the messages above name.


@pytest.mark.nightly
def test_a_layer_of_smollm2_is_the_same_both_ways() -> None:
    from anda.llm.gguf import find_smollm2

    model = Llama(GgufFile(find_smollm2()))
    plan = Plan({kind: AndaCodec(8) for kind in KINDS}, WeightPlan("int4"))
    fast, exact = plan.arithmetic(model), plan.arithmetic(model, exact=True)
    captured = capture_inputs(model, np.arange(100, 164), [7])
    for kind, parts in PROJECTIONS.items():
        x = captured[7, kind]
        for part in parts:
            weight = Weight(f"blk.7.{part}", model.weight(f"blk.7.{part}"))
            got = fast.product(7, part, fast.activation(7, kind, x), weight)
            want = exact.product(7, part, exact.activation(7, kind, x), weight)
            values = np.abs(rounded(AndaCodec(8), x).astype(np.float64))
            magnitudes = (
                values @ np.abs(formats.get("int4").quantize(weight.values, 128, "fp16").dequantize()).T
            )
            n = x.shape[1] + AndaCodec(8).groups(x.shape[1])
            assert (np.abs(got.astype(np.float64) - want) <= 1.001 * n * 2.0**-24 * magnitudes).all()
