"""`anda capture`: what enters a projection of a language model, on disk."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from anda.cli.language import Model, Text, Tokens, Window, open_model, read_tokens
from anda.cli.output import Json, one_sentence_errors, print_json, progress

__all__ = ["capture"]


@one_sentence_errors
def capture(
    model: Model,
    text: Text,
    layer: Annotated[int, typer.Option("--layer", "-l", min=0, help="The block, from 0.")],
    projection: Annotated[
        str, typer.Option("--projection", "-k", help="The kind of input: qkv, o, up_gate or down.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz file to write.")],
    tokens: Tokens = 512,
    window: Window = 512,
    plan: Annotated[
        str, typer.Option("--plan", "-p", help="Formats the model computes in meanwhile, such as anda:7.")
    ] = "float",
    weights: Annotated[
        bool, typer.Option("--weights", help="Also the weights of the same projection.")
    ] = False,
    fp32: Annotated[bool, typer.Option("--fp32", help="Keep activations in FP32 instead of FP16.")] = False,
    as_json: Json = False,
) -> None:
    """Write the inputs of a projection, token by token, while a model reads a text.

    The file holds `inputs` [tokens, K], `metadata` (JSON text), and with --weights `weights` [C, K] in FP32:
    those of q, k and v, or of up and gate, one under the other. `anda axe` takes it.
    """
    # First of all: it says so when a package is missing that the others import.
    file = open_model(model)
    import numpy as np

    from anda.files import write_all
    from anda.llm.arithmetic import FLOAT, PROJECTIONS, Kind
    from anda.llm.cache import file_sha256, tokens_sha256
    from anda.llm.capture import capture_inputs
    from anda.llm.llama import Llama
    from anda.llm.plan import Plan

    if projection not in PROJECTIONS:
        raise ValueError(f"--projection should be one of {', '.join(PROJECTIONS)}, not {projection!r}")
    kind: Kind = projection
    if output.suffix != ".npz":
        raise ValueError(f"the output should be a .npz file, not {output}")
    formats = Plan.parse(plan)
    chosen = read_tokens(file, text, tokens)
    llama = Llama(file)
    arithmetic = FLOAT if formats == Plan() else formats.arithmetic(llama)
    parts = []
    with progress() as bar:
        task = bar.add_task(f"{layer}.{kind}", total=-(-len(chosen) // window) * (layer + 1))
        for first in range(0, len(chosen), window):
            part = chosen[first : first + window]
            found = capture_inputs(llama, part, [layer], [kind], arithmetic, lambda: bar.advance(task))
            parts.append(found[layer, kind])
    inputs = np.concatenate(parts)
    if not fp32:
        inputs = _as_fp16(inputs, f"the input of {projection} in layer {layer}")
    names = PROJECTIONS[kind]
    matrices = [llama.weight(f"blk.{layer}.{part}") for part in names]
    metadata: dict[str, Any] = {
        "model": {"file": file.path.name, "sha256": file_sha256(file.path)},
        "text": {"name": Path(text).name, "tokens": len(chosen), "sha256": tokens_sha256(chosen)},
        "window": window,
        "plan": str(formats),
        "layer": layer,
        "projection": projection,
        "channels": {part: len(matrix) for part, matrix in zip(names, matrices, strict=True)},
    }
    arrays = {"inputs": inputs, "metadata": np.array(json.dumps(metadata))}
    if weights:
        arrays["weights"] = np.concatenate(matrices)
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    write_all(output.parent, {output.name: stream.getvalue()})
    shapes = {name: list(array.shape) for name, array in arrays.items() if name != "metadata"}
    if as_json:
        print_json({**metadata, "shapes": shapes})
    else:
        shown = ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in shapes.items())
        typer.echo(f"{output}: {shown}")


def _as_fp16(inputs: Any, what: str) -> Any:
    import numpy as np

    most = float(np.abs(inputs).max())
    if most > float(np.finfo(np.float16).max):
        raise ValueError(f"{what} should fit FP16, but reaches {most:.6g}: use --fp32")
    return inputs.astype(np.float16)
