"""`anda calibrate`: a language model in few bits, calibrated on a text and judged on another."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anda.cli.language import Model, Text, Tokens, Window, open_model, read_tokens
from anda.cli.output import Json, one_sentence_errors, print_json, print_table, progress

if TYPE_CHECKING:
    from anda.abq_language import AbqRecipe

__all__ = ["calibrate"]


@one_sentence_errors
def calibrate(
    model: Model,
    bits: Annotated[str, typer.Option("--bits", "-b", help="Such as W4A4, or W2*A8: 2* has five levels.")],
    text: Text,
    judge: Annotated[
        str, typer.Option("--judge", metavar="NAME|FILE", help="The text whose beginning is judged on.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Directory of blocks and report; a run that stopped goes on."),
    ],
    method: Annotated[str, typer.Option("--method", "-m", help="rtn, gptq, abq or abq+.")] = "abq+",
    group: Annotated[
        int | None, typer.Option("--group", min=1, help="Weights that share a scale; a row if left out.")
    ] = None,
    clip: Annotated[
        bool, typer.Option("--clip", help="rtn, gptq: clip where the squared error is least.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="abq, abq+: passes over the windows.")
    ] = None,
    windows: Annotated[
        int, typer.Option("--windows", min=1, help="Windows of the text, evenly spaced.")
    ] = 64,
    length: Annotated[int, typer.Option("--length", min=2, help="Tokens of each.")] = 256,
    tokens: Tokens = 2048,
    window: Window = 512,
    as_json: Json = False,
) -> None:
    """Quantize weights and activations of a model, and say what it costs.

    Activations, queries, keys and values get a step for each token as they come; weights one for each row or
    group. `abq` learns transforms, clipping and compensation as published; `abq+` learns the rounding, too
    (docs/abq_language.md). Both need PyTorch. The first tokens of the text, as many as are judged on, are not
    calibrated on, so that both texts may be the same.
    """
    recipe = _recipe(bits, method, group, clip, epochs)
    file = open_model(model)
    from anda.abq_language import AffineArithmetic
    from anda.abq_language import calibrate as run
    from anda.abq_language_runs import windows_of
    from anda.files import write_all
    from anda.llm.evaluate import evaluate
    from anda.llm.llama import Llama
    from anda.llm.texts import read_text
    from anda.llm.tokenizer import Tokenizer
    from anda.ptq.abq.affine import grouped
    from anda.ptq.abq.stored import bits_per_weight
    from anda.ptq.abq.transform import MATRICES

    seen = windows_of(Tokenizer(file).encode(read_text(text))[tokens:], windows, length)
    judged = read_tokens(file, judge, tokens)
    llama = Llama(file)
    # Before anything is written: a directory belongs to the recipe that it was begun with.
    for name in MATRICES:
        grouped(llama.weight(f"blk.0.{name}"), group)
    with progress() as bar:
        task = bar.add_task(f"{bits} {method}", total=llama.config.layers)
        blocks = run(llama, seen, recipe, output, lambda layer, losses: bar.update(task, completed=layer + 1))
        judging = bar.add_task(judge, total=1)
        scores = evaluate(
            llama,
            judged,
            AffineArithmetic(blocks, recipe.activation_format),
            window=window,
            stride=window,
            progress=lambda done, total: bar.update(judging, completed=done, total=total),
        )
    answer: dict[str, Any] = {
        "evidence": "computed",
        "model": file.path.name,
        "text": Path(text).name,
        "judged": Path(judge).name,
        "recipe": recipe.about(),
        "bits_per_weight": bits_per_weight(blocks),
        "processor_seconds": round(sum(block.seconds for block in blocks), 1),
        "scores": scores.as_dict(),
    }
    write_all(output, {"report.json": json.dumps(answer, indent=1) + "\n"})
    if as_json:
        print_json(answer)
        return
    row = (
        f"{bits} {method}",
        f"{answer['bits_per_weight']:.3f}",
        f"{scores.perplexity:.4f}",
        f"{scores.kl:.6f}",
        f"{scores.top1:.2%}",
        f"{answer['processor_seconds']:.0f}",
    )
    headers = ["", "bits per weight", "perplexity", "KL, nats", "top-1", "seconds"]
    print_table(
        f"{file.path.name} on {scores.tokens:,} predicted tokens of {answer['judged']}", headers, [row]
    )


def _recipe(bits: str, method: str, group: int | None, clip: bool, epochs: int | None) -> AbqRecipe:
    from anda.extras import require

    # For GPTQ, and what reads the model.
    require("scipy", "llm", "calibration")
    from anda.abq_language import AbqRecipe
    from anda.ptq.abq.affine import AffineFormat
    from anda.ptq.abq.training import PLUS, Training, plus_for

    match = re.fullmatch(r"W(\d\*?)A(\d\*?)", bits)
    if match is None:
        raise ValueError(f"bits are written like W4A4 or W2*A8, not {bits!r}")
    pair = match[1], match[2]
    if method not in ("rtn", "gptq", "abq", "abq+"):
        raise ValueError(f"a method is rtn, gptq, abq or abq+, not {method!r}")
    if method in ("rtn", "gptq"):
        if epochs is not None:
            raise ValueError(f"--epochs is for abq and abq+, {method} has none")
        return AbqRecipe(*pair, "rtn" if method == "rtn" else "gptq", group, clip)
    if clip:
        raise ValueError(f"--clip is for rtn and gptq, {method} learns where to clip")
    if method == "abq+":
        form = AffineFormat.parse(pair[1])
        training = plus_for(form.bits, PLUS.epochs if epochs is None else epochs)
    else:
        training = Training() if epochs is None else Training(epochs=epochs)
    return AbqRecipe(*pair, "abq", group, training=training)
