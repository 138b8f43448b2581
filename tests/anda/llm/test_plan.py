from __future__ import annotations

import json
from pathlib import Path

import pytest

from anda.llm.arithmetic import KINDS
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.llm.plan import Plan
from anda.llm.plan_formats import (
    ScaledActivation,
    WeightPlan,
    activation_text,
    parse_activation,
    parse_weights,
)
from golden import formats
from golden.anda import AndaCodec

from .conftest import LAYERS, TinyModel

ACTIVATIONS = {
    "anda:7": AndaCodec(7),
    "anda:7@32": AndaCodec(7, group=32),
    "anda-sm:6": AndaCodec(7, "sign-magnitude", "truncate"),
    "anda-truncate:8": AndaCodec(8, "twos-complement", "truncate"),
    "anda-sm-nearest:4@128": AndaCodec(5, "sign-magnitude", "nearest", 128),
    "int8@token/fp32": ScaledActivation("int8"),
    "int8@128/fp16": ScaledActivation("int8", 128, "fp16"),
    "mxint8@32/e8m0": ScaledActivation("mxint8"),
    "anda4@64/fp32": ScaledActivation("anda4", 64),
    "fp16": ScaledActivation("fp16"),
}
WEIGHTS = {
    "int4@128/fp16": WeightPlan("int4"),
    "sf4@64/bf16": WeightPlan("sf4", 64, "bf16"),
    "mxfp4@32/e8m0": WeightPlan("mxfp4"),
    "nvfp4@16/e4m3": WeightPlan("nvfp4"),
    "int4@channel/fp16+clip=block": WeightPlan("int4", "channel", clip="block"),
    "nf4@32/fp16+clip=0.9": WeightPlan("nf4", 32, clip=0.9),
    "bf16": WeightPlan("bf16"),
}


@pytest.mark.parametrize(("text", "form"), ACTIVATIONS.items())
def test_an_activation_format_and_its_name_are_one(text: str, form: AndaCodec | ScaledActivation) -> None:
    assert parse_activation(text) == form
    assert activation_text(form) == text


@pytest.mark.parametrize(("text", "form"), WEIGHTS.items())
def test_a_weight_format_and_its_name_are_one(text: str, form: WeightPlan) -> None:
    assert parse_weights(text) == form
    assert str(form) == text


def test_short_names_take_what_a_format_has_by_itself() -> None:
    # Activations a scale per token, weights FP16 scales, microscaling its own of both.
    assert parse_activation("e4m3") == ScaledActivation("e4m3", "channel", "fp32")
    assert parse_activation("mxfp4") == ScaledActivation("mxfp4", 32, "e8m0")
    assert parse_weights("sf4") == WeightPlan("sf4", 128, "fp16")
    assert parse_weights("sf4@64").bits_per_weight == 4.25
    for name in formats.names():
        assert parse_weights(str(WeightPlan(name))) == WeightPlan(name)
        assert parse_activation(str(ScaledActivation(name))) == ScaledActivation(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("anda", r"an Anda format is written like anda:7, anda-sm:6 or anda:7@32, not 'anda'"),
        ("anda:7@48", "group must be a power of two from 8 to 256, not 48"),
        ("anda:1", "planes must be an integer from 2 to 17, not 1"),
        ("anda-ms:6", "an Anda format is one of anda, anda-sm, .*, not 'anda-ms' in 'anda-ms:6'"),
        ("int9", "there is no format 'int9'; the nearest name is"),
        ("int8@row", "a block is a number of elements or token, not 'row' in 'int8@row'"),
        ("int8@", "an activation format is written like int8, .*, not 'int8@'"),
        ("int8@0", 'a block is a number of elements, at least 1, or "channel", not 0'),
        ("int8/fp8", "a scale format is one of .*, not 'fp8'"),
        ("int8+clip=block", "activations are scaled as they come and take no clipping"),
    ],
)
def test_an_activation_format_that_does_not_exist_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_activation(text)


@pytest.mark.parametrize("clip", ["row", "0", "1.5"])
def test_a_clip_that_does_not_exist_is_refused(clip: str) -> None:
    with pytest.raises(ValueError, match=r"clip is tensor, block or a ratio in \(0, 1\], not"):
        parse_weights(f"int4+clip={clip}")


def test_a_weight_format_without_sign_for_its_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="the scales of format anda4 carry a sign"):
        parse_weights("anda4/e8m0")


def test_a_plan_gives_each_projection_its_format() -> None:
    plan = Plan({"qkv": AndaCodec(7), "down": AndaCodec(9), "3.down": ScaledActivation("int8")})
    assert plan.activation(0, "qkv") == plan.activation(3, "qkv") == AndaCodec(7)
    assert plan.activation(2, "down") == AndaCodec(9)
    assert plan.activation(3, "down") == ScaledActivation("int8")
    assert plan.activation(3, "o") is None


def test_lengths_are_counted_as_each_encoding_counts_them() -> None:
    ours, published = Plan.lengths((7, 7, 6, 5)), Plan.lengths((7, 7, 6, 5), "sign-magnitude")
    for kind, length in zip(KINDS, (7, 7, 6, 5), strict=True):
        assert ours.activation(0, kind) == AndaCodec(length)
        assert published.activation(0, kind) == AndaCodec(length + 1, "sign-magnitude", "truncate")
    layered = Plan.lengths({"qkv": 7, "1.o": 4}, "sign-magnitude", "nearest", 32)
    assert layered.activation(1, "o") == AndaCodec(5, "sign-magnitude", "nearest", 32)
    assert layered.activation(0, "o") is None
    with pytest.raises(ValueError, match="4 lengths are needed, for qkv, o, up_gate, down, not"):
        Plan.lengths((7, 7, 6))


def test_the_command_line_names_a_plan() -> None:
    assert Plan.parse("anda:7") == Plan.uniform(AndaCodec(7))
    assert Plan.parse("anda-sm:7-7-6-5") == Plan.lengths((7, 7, 6, 5), "sign-magnitude")
    assert Plan.parse("anda:7-7-6-5@32") == Plan.lengths((7, 7, 6, 5), group=32)
    assert Plan.parse("float") == Plan.parse("") == Plan()
    everything = "qkv=int8, 1.down=anda:9, weights=int4@64+clip=block, kv=anda:6, attention=anda:8"
    assert Plan.parse(everything) == Plan(
        {"qkv": ScaledActivation("int8"), "1.down": AndaCodec(9)},
        WeightPlan("int4", 64, clip="block"),
        AndaCodec(6),
        AndaCodec(8),
    )
    mixed = Plan.parse("anda:7,down=anda:8")
    assert mixed == Plan.lengths((7, 7, 7, 8))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q=anda:7", "activations belong to qkv, o, up_gate, down, or to one of them in a layer"),
        ("03.down=anda:7", "not to '03.down'"),
        ("anda:7-7-6", "'anda:7-7-6' must have 4 lengths, for qkv, o, up_gate, down"),
        ("weights=int9", "there is no format 'int9'"),
        ("none.toml", "a plan was expected in the file none.toml, but there is no such file"),
    ],
)
def test_a_text_that_is_no_plan_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Plan.parse(text)


def test_files_name_a_plan(tmp_path: Path) -> None:
    plan = Plan({"qkv": AndaCodec(7), "1.down": AndaCodec(9)}, WeightPlan("sf4"), kv=AndaCodec(6))
    toml = tmp_path / "plan.toml"
    toml.write_text('weights = "sf4"\nkv = "anda:6"\n[activations]\nqkv = "anda:7"\n"1.down" = "anda:9"\n')
    assert Plan.parse(str(toml)) == plan
    stored = tmp_path / "plan.json"
    stored.write_text(json.dumps(plan.as_dict()))
    assert Plan.read(stored) == plan
    assert Plan.from_dict({"activations": "anda:7-7-6-5"}) == Plan.lengths((7, 7, 6, 5))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("weight = 'sf4'", "a plan has the keys activations, weights, kv, attention, not weight"),
        ("weights = 4", "the format of weights must be a name, such as anda:7, not 4"),
        ("activations = 7", "activations must be a format or formats by place, not 7"),
        ("[activations]\nqkv = 7", "the format of qkv must be a name, such as anda:7, not 7"),
        ("qkv = ", r"plan\.toml is not a plan: "),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        Plan.read(path)


def test_a_json_list_is_no_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("[1]")
    with pytest.raises(ValueError, match=r"plan\.json is not a plan: a plan has the keys"):
        Plan.read(path)


def test_equal_plans_have_one_key_and_others_another() -> None:
    plan = Plan.lengths((7, 7, 6, 5))
    same = Plan({kind: AndaCodec(n) for kind, n in zip(reversed(KINDS), (5, 6, 7, 7), strict=True)})
    redundant = Plan({**plan.activations, "3.down": AndaCodec(5)})
    assert plan.key() == same.key() == redundant.key()
    assert hash(plan) == hash(same)
    assert plan.key() == '{"activations":{"down":"anda:5","o":"anda:7","qkv":"anda:7","up_gate":"anda:6"}}'
    others = [
        Plan(),
        Plan.lengths((7, 7, 6, 6)),
        Plan.lengths((7, 7, 6, 5), "sign-magnitude"),
        Plan({**plan.activations, "3.down": AndaCodec(6)}),
        Plan(plan.activations, WeightPlan("sf4")),
        Plan(plan.activations, kv=AndaCodec(5)),
        Plan(plan.activations, attention=AndaCodec(5)),
    ]
    assert len({plan.key(), *(other.key() for other in others)}) == 1 + len(others)
    for other in others:
        assert Plan.from_dict(json.loads(other.key())) == other
        assert Plan.parse(str(other)) == other
    assert str(Plan.uniform(AndaCodec(7))) == "anda:7"


def test_a_layer_that_the_model_lacks_is_refused(tiny: TinyModel) -> None:
    model = Llama(GgufFile(tiny.path))
    with pytest.raises(ValueError, match=r"the plan names 2\.o, but the model has layers 0 to 1"):
        Plan({f"{LAYERS}.o": AndaCodec(7)}).arithmetic(model)
