"""`anda generate`: Verilog."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anda.cli.output import Json, Source, one_sentence_errors, print_json, print_table, progress

__all__ = ["generate"]


@one_sentence_errors
def generate(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory to write; made if need be.")],
    as_json: Json = False,
) -> None:
    """Write the Verilog of a design, one file for each component, and a JSON sidecar beside each.

    The sidecar NAME.json says what NAME.v is: ports, parameters, latency, exact ranges of the integers,
    digest of the configuration, versions of the tools. The same input gives the same bytes. lint.vlt holds
    the reasoned exceptions under which `verilator --lint-only -Wall lint.vlt NAME.v` is clean. Beside an
    accelerator are its registers (Markdown, JSON, C, SystemRDL) and DESIGN.core for FuseSoC.

    A design is a preset, or a TOML file such as

    \b
        name = "mine"
        [format]
        encoding = "twos-complement"    # or "sign-magnitude"
        rounding = "nearest"            # or "truncate"
        group = 64                      # lanes: 8, 16, 32, 64, 128 or 256
        max_planes = 12                 # 2 to 17
        [pe]                            # a processing element
        level_bits = 4                  # weights: 1 to 8
        planes_per_cycle = 1            # 1, 2 or 4
        weights = "outside"             # or "inside", or "shared" with rows = 16
        reduction = "heap"              # or "tree"
        [compressor]                    # FP16 to bit planes
        [accumulator]                   # FP32 sums across groups
        [datapath]                      # a row of all three, end to end

    `anda schema` prints every key with its meaning, range and default. With [array], [engine], [elementwise]
    and [accelerator], as in the preset `accelerator`, it is a matrix engine behind a bus. Exit status 2 when
    the design is not valid; then nothing is written.
    """
    from anda.accelerator_files import companions
    from anda.config import load
    from anda.files import write_all
    from anda.generate import generate_all
    from anda.tops import tops
    from hdl.emit import WAIVER

    design = load(source)
    with progress() as bar:
        wanted = tops(design)
        task = bar.add_task(f"generating {design.name}", total=len(wanted))
        products = generate_all(design, wanted, lambda: bar.advance(task))
    written = [product.write(output) for product in products]
    others = {WAIVER.name: WAIVER.read_text(encoding="utf-8"), **companions(design)}
    write_all(output, others)
    if as_json:
        found = [
            {"role": product.role, "top": product.name, "files": [str(path) for path in paths]}
            for product, paths in zip(products, written, strict=True)
        ]
        hashed = {"design": design.name, "configuration_sha256": design.hash}
        print_json({**hashed, "tops": found, "others": [str(output / name) for name in others]})
    else:
        rows = [(product.role, f"{product.name}.v", product.verilog.count("\n")) for product in products]
        rows += [("-", name, text.count("\n")) for name, text in others.items()]
        print_table(f"Written to {output}, with a .json beside each .v", ["component", "file", "lines"], rows)
