"""Sizes and precisions of the models of the paper, against what papers print of them."""

from __future__ import annotations

import pytest

from anda.models import MODELS, TOLERANCES, Tolerance, model

#: Bit operations saved on WikiText2, as table II of the Anda paper prints them, in the order of `MODELS`.
SAVED: dict[Tolerance, tuple[float, ...]] = {
    "0.1%": (2.74, 2.91, 3.10, 1.99, 1.96, 2.86, 1.88, 1.80, 3.10),
    "1%": (2.95, 3.25, 3.31, 2.56, 2.56, 3.20, 2.59, 2.44, 3.31),
}


@pytest.mark.parametrize("tolerance", TOLERANCES)
def test_precisions_save_what_the_paper_prints(tolerance: Tolerance) -> None:
    found = [16 / each.mean_length(tolerance) for each in MODELS]
    assert found == pytest.approx(SAVED[tolerance], abs=0.01)


def test_linear_layers_hold_nearly_all_parameters() -> None:
    for each in MODELS:
        _, _, billions = each.name.partition("-")
        share = each.parameters / (float(billions.removesuffix("B")) * 1e9)
        # The rest are embeddings, a sixth of the smallest model; names round.
        assert 0.9 < share < 1.01, each.name
        assert each.hidden % each.heads == 0


def test_layers_fit_each_other() -> None:
    for each in MODELS:
        qkv, o, up_gate, down = each.layers
        assert qkv.c == 3 * o.k == qkv.outputs
        assert o.outputs == up_gate.k
        assert up_gate.outputs == down.k == up_gate.c // (1 + each.gated)
        assert down.c == qkv.k == each.hidden
    assert model("LLaMA-13B").layers[2].macs(2048) == 2048 * 5120 * 2 * 13824


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a model must be one of OPT-1.3B, .*, not 'GPT-2'"):
        model("GPT-2")
