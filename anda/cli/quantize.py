"""`anda quantize`: what number formats do to a real tensor."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anda.cli.output import Json, one_sentence_errors, print_json, print_table, progress

if TYPE_CHECKING:
    from anda.quantization import QuantizationReport
    from golden.formats import Block, Clip, Quantized

__all__ = ["quantize"]


@one_sentence_errors
def quantize(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE[:TENSOR]",
            help="A .gguf, .safetensors, .npy or .npz file, or `smollm2`; and which tensor of several.",
        ),
    ],
    form: Annotated[
        list[str] | None, typer.Option("--format", "-f", help="Such as sf4; repeat it to compare.")
    ] = None,
    bits: Annotated[
        int | None, typer.Option("--bits", help="All formats of so many bits that take the scale.")
    ] = None,
    block: Annotated[
        str | None, typer.Option("--block", help="Elements that share a scale, or `channel`.")
    ] = None,
    scale: Annotated[str | None, typer.Option("--scale", help="fp32, fp16, bf16, e4m3, e8m0, ...")] = None,
    clip: Annotated[
        str | None,
        typer.Option(
            "--clip", help="Shrink scales: by a ratio, or by the best one for each `tensor` or `block`."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Directory for report.json, codes and scales, and plots."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Quantize a tensor and report memory, noise, the levels it takes, and clipping.

    Blocks run along the last axis; a tensor of more than two axes is taken as [first, all others]. Block size
    and scale format are the format's own unless told otherwise. Bits per weight count all that is stored.
    "Clipped" are weights beyond the outermost level by more than half a step; "worst" is how much of its
    magnitude one of them lost.

    With -o, FORMAT.npz holds codes, scales, zero points (empty without) and the value of every code, and
    FORMAT.svg the histogram of the tensor over the levels.
    """
    from anda.files import write_all
    from anda.quantization import choose_formats, measure, quantize_tensor
    from anda.tensors import open_tensors, split_source

    forms = choose_formats(form or (), bits, scale)
    size, ratio = _block(block), _clip(clip)
    name, tensor = split_source(source)
    file = open_tensors(name)
    tensor = file.only() if tensor is None else tensor
    w = file.read(tensor)
    reports: list[QuantizationReport] = []
    contents: dict[str, bytes] = {}
    with progress() as bar:
        task = bar.add_task(tensor, total=len(forms))
        for one in forms:
            quantized = quantize_tensor(w, one, size, scale, ratio)
            reports.append(measure(w, quantized))
            if output is not None:
                contents |= _files(reports[-1], quantized, w.shape, tensor)
            bar.update(task, advance=1, description=f"{tensor}: {one}")
    answer: dict[str, Any] = {
        "file": file.path.name,
        "tensor": tensor,
        "stored": file.tensors[tensor].stored,
        "shape": list(w.shape),
        "clip": ratio,
        "formats": [report.as_dict() for report in reports],
    }
    if output is not None:
        write_all(output, {"report.json": json.dumps(answer, indent=1) + "\n", **contents})
    if as_json:
        print_json(answer)
        return
    shape = " x ".join(map(str, w.shape))
    _show(f"{tensor}: {shape}, stored as {answer['stored']}", reports)
    if output is not None:
        typer.echo(f"\nreport.json, codes and scales, and plots are in {output}")


def _block(text: str | None) -> Block | None:
    if text is None:
        return None
    if text == "channel":
        return "channel"
    if not text.isdecimal():
        raise ValueError(f"--block should be a number of elements or `channel`, not {text!r}")
    return int(text)


def _clip(text: str | None) -> Clip:
    if text is None:
        return None
    if text == "tensor":
        return "tensor"
    if text == "block":
        return "block"
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--clip should be a ratio, `tensor` or `block`, not {text!r}") from None


def _files(
    report: QuantizationReport, quantized: Quantized, shape: tuple[int, ...], tensor: str
) -> dict[str, bytes]:
    """Codes and scales, and the plot, by file name."""
    import numpy as np

    from anda.figures import rendered
    from anda.plots_formats import plot_levels

    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        codes=quantized.codes.reshape(shape),
        scales=quantized.scales,
        tensor_scale=quantized.tensor_scale,
        zeros=np.zeros(0, np.uint8) if quantized.zeros is None else quantized.zeros,
        values=quantized.format.table,
    )
    return {f"{report.format}.npz": stream.getvalue(), **rendered(plot_levels(report, tensor), report.format)}


def _show(title: str, reports: list[QuantizationReport]) -> None:
    rows = [
        (
            report.format,
            report.block,
            report.scale_format,
            f"{report.bits_per_weight:.4f}",
            "exact" if report.sqnr_db is None else f"{report.sqnr_db:.2f}",
            f"{report.levels_used}/{report.levels}",
            report.clipped,
            f"{100 * report.worst_clip:.1f} %",
        )
        for report in reports
    ]
    headers = ["format", "block", "scale", "bits", "SQNR, dB", "levels", "clipped", "worst"]
    print_table(title, headers, rows)
    if len(reports) == 1 and reports[0].counts:
        (report,) = reports
        levels = [
            (f"{count.level:.6g}", count.count, 100 * count.count / report.weights) for count in report.counts
        ]
        print_table(f"Levels of {report.format}", ["level", "weights", "share, %"], levels)
