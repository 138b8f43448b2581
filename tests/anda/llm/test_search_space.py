from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest

from anda.llm.evaluate import Scores
from anda.llm.llama import LlamaConfig
from anda.llm.search import Energy, Objective, Space, Tolerance, Variable, llama_variables, parse_tolerance
from golden.anda import AndaCodec

CONFIG = LlamaConfig(layers=30, hidden=576, heads=9, kv_heads=3, rope_base=1e5, epsilon=1e-5)


def test_the_variables_of_a_model() -> None:
    kinds = llama_variables(CONFIG, 1536)
    assert [variable.name for variable in kinds] == ["qkv", "o", "up_gate", "down"]
    # Products a token and layer: 576 x (576 + 2 x 192), 576 x 576, 576 x 3072, 1536 x 576.
    assert [variable.macs for variable in kinds] == [30 * n for n in (552960, 331776, 1769472, 884736)]
    layers = llama_variables(CONFIG, 1536, per_layer=True)
    assert len(layers) == 120
    assert [variable.name for variable in layers[4:9]] == ["1.qkv", "1.o", "1.up_gate", "1.down", "2.qkv"]
    for kind, variable in enumerate(kinds):
        assert sum(own.macs for own in layers[kind::4]) == variable.macs
        assert sum(own.elements for own in layers[kind::4]) == variable.elements


def test_lengths_stand_for_codecs() -> None:
    published = Space(llama_variables(CONFIG, 1536), "sign-magnitude")
    ours = Space(llama_variables(CONFIG, 1536), "twos-complement", group=32)
    assert published.codec(6) == AndaCodec(7, "sign-magnitude", "truncate")
    assert ours.codec(6) == AndaCodec(6, "twos-complement", "nearest", 32)
    assert published.activations((6, None, 5, None)) == {
        "qkv": AndaCodec(7, "sign-magnitude", "truncate"),
        "up_gate": AndaCodec(6, "sign-magnitude", "truncate"),
    }


def test_costs_by_hand() -> None:
    """100 inputs are two groups; 3 outputs, 5 layers."""
    published = Space((Variable("qkv", 100, 3, 5),), "sign-magnitude")
    ours = Space((Variable("qkv", 100, 3, 5),), "twos-complement")
    expected = {
        ("bops", published): (1500 * 6 * 4, 1500 * 64),
        ("bops", ours): (1500 * 6 * 4, 1500 * 64),
        ("cycles", published): (2 * 5 * 3 * 7, 2 * 5 * 3 * 16),
        ("cycles", ours): (2 * 5 * 3 * 6, 2 * 5 * 3 * 16),
        ("traffic", published): (2 * 5 * (64 * 7 + 5), 500 * 16),
        ("traffic", ours): (2 * 5 * (64 * 6 + 5), 500 * 16),
    }
    for (goal, space), (cost, fp16) in expected.items():
        objective = Objective(goal, space)
        assert objective.cost((6,)) == cost
        assert objective.saving((6,)) == pytest.approx(fp16 / cost)
    model = Energy(plane_pj=0.5, fp16_group_pj=40, bit_pj=2, transfers=2)
    energy = Objective("energy", ours, model)
    assert energy.cost((6,)) == Fraction(180) / 2 + 4 * 3890
    assert energy.saving((6,)) == pytest.approx((30 * 40 + 8000 * 4) / (90 + 4 * 3890))
    assert energy.as_dict()["energy"]["bit_pj"] == 2
    assert json.dumps(energy.as_dict())


def test_the_energy_of_an_fp16_element_follows_from_the_paper() -> None:
    """54.34 mW of 256 elements at 285 MHz; figure 15: 0.1991 of the power of FP16, which takes 16 cycles."""
    plane = 54.34e-3 / 256 / 285e6 * 1e12
    assert Energy().plane_pj == pytest.approx(plane, abs=5e-4)
    assert Energy().fp16_group_pj == pytest.approx(plane / 0.1991 * 16, abs=0.05)


def test_a_cost_needs_all_lengths() -> None:
    objective = Objective("bops", Space(llama_variables(CONFIG, 1536)))
    with pytest.raises(ValueError, match="length of every variable, but o has none"):
        objective.cost((6, None, 6, 6))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"variables": ()}, "at least one variable"),
        ({"shortest": 9, "longest": 8}, "must not exceed the longest, but is 9 > 8"),
        ({"longest": 18}, "18"),
        ({"group": 60}, "60"),
    ],
)
def test_spaces_that_cannot_be(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Space(**{"variables": llama_variables(CONFIG, 1536), **arguments})


def test_no_such_objective() -> None:
    with pytest.raises(ValueError, match="bops, cycles, traffic, energy, not 'speed'"):
        Objective("speed", Space(llama_variables(CONFIG, 1536)))


def scores(perplexity: float = 20.0, kl: float = 0.0) -> Scores:
    return Scores(100, perplexity, kl, 1.0)


def test_accuracy_is_the_inverse_of_perplexity() -> None:
    tolerance = Tolerance.relative("perplexity", 0.01, 19.8)
    assert tolerance.passes(scores(20.0 - 1e-9))
    assert not tolerance.passes(scores(20.0 + 1e-9))
    assert not tolerance.passes(scores(math.nan))
    assert tolerance.used(scores(19.8)) == 0
    assert tolerance.used(scores(20.0)) == pytest.approx(1)
    assert tolerance.used(scores(19.0)) < 0


def test_divergence_of_the_same_share() -> None:
    kl, perplexity = (Tolerance.relative(metric, 0.01, 19.8) for metric in ("kl", "perplexity"))
    assert kl.limit == pytest.approx(perplexity.nats) == pytest.approx(-math.log(0.99))
    assert kl.passes(scores(99.0, 0.0100))
    assert not kl.passes(scores(1.0, 0.0101))
    assert not kl.passes(scores(kl=np.nan))
    assert kl.used(scores(kl=kl.limit / 2)) == pytest.approx(0.5)


def test_tolerances_as_written() -> None:
    assert parse_tolerance("1%", "perplexity", 10).limit == pytest.approx(10 / 0.99)
    assert parse_tolerance("0.001", "perplexity", 10).limit == pytest.approx(10 / 0.999)
    assert parse_tolerance("0.1 %", "kl", 10).limit == pytest.approx(0.0010005, rel=1e-5)
    assert parse_tolerance("0.02nats", "kl", 10) == Tolerance("kl", 0.02, 10)


@pytest.mark.parametrize(
    ("text", "metric", "sentence"),
    [
        ("little", "perplexity", "a share such as 1% or 0.01, not 'little'"),
        ("little", "kl", "nats such as 0.02nats, not 'little'"),
        ("0.02nats", "perplexity", "a share such as 1% or 0.01, not '0.02nats'"),
        ("-1nats", "kl", "not '-1nats'"),
        ("1%nats", "kl", "not '1%nats'"),
        ("nan", "perplexity", "not 'nan'"),
        ("0%", "perplexity", "above 0 and below 1, not 0"),
        ("1", "kl", "above 0 and below 1, not 1"),
    ],
)
def test_tolerances_that_are_none(text: str, metric: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_tolerance(text, metric, 10)
