"""`anda profile`: how heavy the tails of a model's weights are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anda.cli.output import Json, one_sentence_errors, print_json, print_table, progress

if TYPE_CHECKING:
    from anda.profiling import LayerProfile, Summary, Unfit

__all__ = ["profile"]


@one_sentence_errors
def profile(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A .gguf, .safetensors, .npy or .npz file, or `smollm2`.")
    ],
    match: Annotated[
        list[str] | None,
        typer.Option(
            "--match",
            "--layers",
            "-m",
            help="Only tensors whose name matches, such as '*attn_q*'; repeatable.",
        ),
    ] = None,
    block: Annotated[int, typer.Option("--block", help="Elements that share a scale.")] = 128,
    sample: Annotated[int, typer.Option("--sample", help="Values of a tensor to look at.")] = 131072,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Directory for profile.json and plots.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit Student's t and the normal distribution to the weights of every layer.

    By default every matrix is a layer. Twice each: the weights as they are, and within blocks, every weight
    over the root mean square of its block, which is what remains for a format when every block has a scale.

    A gain above 0 says that the t is nearer to the weights than the normal distribution
    (Kolmogorov-Smirnov distance of the normal fit minus that of the t). The mean nu is the figure of table 1
    of arXiv 2405.03103. SF4 is made for nu = 5; from about 10 on, a distribution is nearly normal.
    """
    from anda.extras import require

    require("scipy", "llm", "profiling")
    from anda.files import write_all
    from anda.profiling import Unfit, choose, profile_layers, summarize
    from anda.tensors import open_tensors

    file = open_tensors(model)
    chosen = choose(file, match or ())
    layers: list[LayerProfile] = []
    unfit: list[Unfit] = []
    plots: dict[str, bytes] = {}
    with progress() as bar:
        task = bar.add_task("", total=len(chosen))
        for info, found in zip(chosen, profile_layers(file, chosen, block, sample), strict=True):
            if isinstance(found, Unfit):
                unfit.append(found)
            else:
                layers.append(found)
                if output is not None:
                    plots |= _layer_plot(found)
            bar.update(task, advance=1, description=info.name)
    if not layers:
        raise ValueError(f"nothing could be fitted; {unfit[0].name}: {unfit[0].reason}")
    summaries = {
        "raw": summarize([layer.raw for layer in layers]),
        "within_blocks": summarize([layer.within_blocks for layer in layers]),
    }
    answer: dict[str, Any] = {
        "model": file.path.name,
        "block": block,
        "summary": {name: summary.as_dict() for name, summary in summaries.items()},
        "layers": [layer.as_dict() for layer in layers],
        "not_fitted": {one.name: one.reason for one in unfit},
    }
    if output is not None:
        from anda.figures import rendered
        from anda.plots_formats import plot_nu

        plots |= rendered(plot_nu(layers), "nu")
        write_all(output, {"profile.json": json.dumps(answer, indent=1) + "\n", **plots})
    if as_json:
        print_json(answer)
        return
    _show(layers, unfit, summaries, block)
    if output is not None:
        typer.echo(f"\nprofile.json, nu.svg and a histogram of every layer are in {output}")


def _layer_plot(layer: LayerProfile) -> dict[str, bytes]:
    from anda.figures import rendered
    from anda.plots_formats import plot_layer

    return rendered(plot_layer(layer), "layer-" + layer.name.replace("/", "-"))


def _show(layers: list[LayerProfile], unfit: list[Unfit], summaries: dict[str, Summary], block: int) -> None:
    rows = [
        (
            layer.name,
            layer.raw.nu,
            f"{layer.raw.location:.2g}",
            f"{layer.raw.scale:.3g}",
            f"{layer.raw.ks_gain:+.4f}",
            layer.within_blocks.nu,
        )
        for layer in layers
    ]
    headers = ["layer", "nu", "location", "scale", "gain", "nu within"]
    print_table("Best t of every layer, and its gain over the best normal distribution", headers, rows)
    if unfit:
        print_table("Not fitted", ["tensor", "why"], [(one.name, one.reason) for one in unfit])
    raw, within = summaries["raw"], summaries["within_blocks"]
    print_table(
        f"{raw.layers} layers, blocks of {block}",
        ["", "as they are", "within blocks"],
        [
            ("mean nu", raw.mean_nu, within.mean_nu),
            ("median nu", raw.median_nu, within.median_nu),
            ("least nu", raw.least_nu, within.least_nu),
            ("largest nu", raw.largest_nu, within.largest_nu),
            ("layers with nu at its end, 100", raw.unbounded, within.unbounded),
            ("mean gain", f"{raw.mean_ks_gain:+.4f}", f"{within.mean_ks_gain:+.4f}"),
            ("layers that t fits better", raw.t_better, within.t_better),
        ],
    )
