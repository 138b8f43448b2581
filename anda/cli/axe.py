"""`anda axe`: a layer quantized for an accumulator that cannot overflow."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anda.cli.output import Json, one_sentence_errors, print_json, print_table, progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anda.ptq.axe import LayerResult
    from anda.ptq.joint import JointResult

__all__ = ["axe"]


@one_sentence_errors
def axe(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE[:TENSOR]",
            help="Weights: a .gguf, .safetensors, .npy or .npz file, or what `anda capture --weights` wrote.",
        ),
    ],
    inputs: Annotated[
        str | None,
        typer.Option(
            "--inputs",
            "-x",
            metavar="FILE[:TENSOR]",
            help="[rows, K]; by default `inputs` beside the weights.",
        ),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", "-f", help="Of the weights, with integer levels.")
    ] = "int4",
    activation_bits: Annotated[int, typer.Option("--activation-bits", "-n", help="2 to 16.")] = 8,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Unsigned activations, with a zero point where it helps.")
    ] = False,
    inner_bits: Annotated[int, typer.Option("--inner-bits", "-p", help="Register of a tile, 8 to 32.")] = 16,
    tile: Annotated[str, typer.Option("--tile", "-t", help="Inputs of a tile, or `none`.")] = "128",
    solver: Annotated[str, typer.Option("--solver", "-s", help="best, gpfq or gptq.")] = "best",
    policy: Annotated[
        str, typer.Option("--policy", help="safe; or wrap or saturate, without a guarantee and measured.")
    ] = "safe",
    joint: Annotated[
        bool,
        typer.Option("--joint", help="Search activation bits up to --activation-bits, and scales, as well."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Directory for layer.npz, certificate.json and report.json."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Quantize the weights of a layer on captured inputs so that no input whatsoever overflows.

    Every tile of the inputs is summed in a register of --inner-bits; the certificate says how wide the
    register has to be that adds up the tiles, and `anda certify` checks it. With -o, layer.npz holds `levels`
    [C, K], their `scales` [C, groups] and what activations are worth.
    """
    from anda.files import write_all
    from anda.ptq.axe import SOLVERS, quantize_layer
    from anda.ptq.joint import quantize_jointly
    from anda.tensors import as_matrix, open_tensors, split_source
    from golden.multistage import POLICIES

    if solver not in SOLVERS:
        raise ValueError(f"--solver should be one of {', '.join(SOLVERS)}, not {solver!r}")
    if policy not in POLICIES:
        raise ValueError(f"--policy should be one of {', '.join(POLICIES)}, not {policy!r}")
    if joint and (solver != "best" or policy != "safe"):
        raise ValueError("--joint goes with the solver best and the policy safe")
    name, tensor = split_source(source)
    file = open_tensors(name)
    both = tensor is None and {"weights", "inputs"} <= file.tensors.keys()
    tensor = "weights" if both else tensor or file.only()
    weights = as_matrix(file.read(tensor))
    captured = _inputs(inputs if inputs or not both else f"{name}:inputs")
    settings: dict[str, Any] = {
        "inner_bits": inner_bits,
        "tile": _tile(tile),
        "activation_signed": not unsigned,
    }
    search: JointResult | None = None
    with progress() as bar:
        task = bar.add_task(tensor, total=None)

        def tell(step: str) -> None:
            bar.update(task, advance=1, description=f"{tensor}: {step}")

        if joint:
            search = quantize_jointly(
                weights,
                captured,
                weight_formats=[form],
                activation_bits=range(activation_bits, 3, -1),
                progress=tell,
                **settings,
            )
            result = search.layer
        else:
            result = quantize_layer(
                weights,
                captured,
                weight_format=form,
                activation_bits=activation_bits,
                policy=policy,
                solver=solver,
                progress=tell,
                **settings,
            )
    answer = _answer(file.path.name, tensor, form, result, search)
    if output is not None:
        write_all(output, _files(answer, result))
    if as_json:
        print_json(answer)
        return
    _show(answer, search)
    if output is not None:
        typer.echo(f"\nlayer.npz, certificate.json and report.json are in {output}")


def _inputs(source: str | None) -> NDArray[np.float32]:
    from anda.tensors import open_tensors, split_source

    if source is None:
        raise ValueError("--inputs should name a file of inputs [rows, K], as `anda capture` writes it")
    name, tensor = split_source(source)
    file = open_tensors(name)
    return file.read(tensor or ("inputs" if "inputs" in file.tensors else file.only()))


def _tile(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdecimal():
        raise ValueError(f"--tile should be a number of inputs or `none`, not {text!r}")
    return int(text)


def _answer(
    file: str, tensor: str, form: str, result: LayerResult, search: JointResult | None
) -> dict[str, Any]:
    certificate, activations = result.certificate, result.activations
    answer: dict[str, Any] = {
        "file": file,
        "tensor": tensor,
        "shape": list(result.levels.shape),
        "format": form,
        "activation_bits": activations.bits,
        "activation_signed": activations.signed,
        "activation_scale": activations.scale,
        "activation_zero": activations.zero,
        "tile": certificate.tile,
        "inner_bits": certificate.inner_bits,
        "outer_bits": certificate.outer_bits,
        "report": result.report.as_dict(),
    }
    if search is not None:
        answer["trace"] = [vars(trial) for trial in search.trace]
    return answer


def _files(answer: dict[str, Any], result: LayerResult) -> dict[str, str | bytes]:
    import numpy as np

    stream = io.BytesIO()
    kind = np.min_scalar_type(min(int(result.levels.min()), -1 - int(result.levels.max())))
    np.savez_compressed(
        stream,
        levels=result.levels.astype(kind),
        scales=result.scales,
        activation_scale=result.activations.scale,
        activation_zero=result.activations.zero,
    )
    return {
        "layer.npz": stream.getvalue(),
        "certificate.json": result.certificate.to_json(),
        "report.json": json.dumps(answer, indent=1) + "\n",
    }


def _show(answer: dict[str, Any], search: JointResult | None) -> None:
    report = answer["report"]
    sign = "signed" if answer["activation_signed"] else f"unsigned, zero point {answer['activation_zero']}"
    rows = [
        ("activations", f"{answer['activation_bits']} bits, {sign}"),
        ("tile", f"{answer['tile']} inputs"),
        ("register of a tile", f"{answer['inner_bits']} bits"),
        ("register of the sum of tiles", f"{answer['outer_bits']} bits"),
        ("error of the outputs", f"{100 * report['calibration_error']:.3f} % on {report['rows']} rows"),
        ("weights held back by the budget", f"{report['clipped_weights']:,}"),
        ("rank of the Hessian", f"{report['rank']:,} of {answer['shape'][1]:,}"),
        ("damping", f"{report['damping']:.2g} of its mean diagonal"),
        ("inputs without effect", f"{report['dead_inputs']:,}"),
    ]
    if measured := report["overflow"]:
        rows.append(
            (
                f"error if registers {report['policy']}",
                f"{100 * measured['error']:.3f} %, {100 * measured['rate']:.3f} % of the sums overflow",
            )
        )
    shape = " x ".join(map(str, answer["shape"]))
    print_table(f"{answer['tensor']}: {shape}, {answer['format']}", ["what", "value"], rows)
    if search is not None:
        best = [trial for trial in search.trace if trial.multiplier is None]
        trials = [(trial.activation_bits, 100 * trial.error) for trial in best]
        print_table("Search", ["activation bits", "error, %"], trials)
