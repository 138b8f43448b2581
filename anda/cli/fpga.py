"""`anda fpga`: place and route."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anda.cli.output import (
    Components,
    Json,
    Source,
    one_sentence_errors,
    print_json,
    print_table,
    progress,
)

if TYPE_CHECKING:
    from anda.placement import PlacedComponent

__all__ = ["fpga"]

_USES = ("luts", "flops", "memories", "multipliers")


@one_sentence_errors
def fpga(
    source: Source,
    device: Annotated[
        str, typer.Option("--device", "-d", help="ecp5-25k, ecp5-45k, ecp5-85k, ice40-hx8k or ice40-up5k.")
    ] = "ecp5-85k",
    component: Components = None,
    frequency: Annotated[
        float, typer.Option("--frequency", "-f", min=1, max=1000, metavar="MHZ", help="Clock to aim for.")
    ] = 100,
    seed: Annotated[int, typer.Option("--seed", min=1, max=2**31 - 1, help="Seed of the placement.")] = 1,
    constraints: Annotated[
        Path | None, typer.Option("--constraints", help="Pin file (LPF or PCF); other pins are chosen.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write reports and bitstreams into this directory.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Place and route components on an FPGA: utilisation, fastest clock, multiply-accumulates a second.

    Each component stands alone between shift registers, so that any number of ports fits the pins and every
    path is timed; the figures include these registers, and the report says how many they are. nextpnr comes
    from PyPI (`pip install -e '.[fpga]'` for ECP5) and needs no tool of the vendor. Equal seeds give equal
    results. Exit status 2 when a component does not fit; then nothing is written.
    """
    from anda.config import load
    from anda.flow.devices import DEVICES
    from anda.placement import place_design
    from anda.tops import choose, tops

    if device not in DEVICES:
        raise ValueError(f"expected a device ({', '.join(DEVICES)}), not {device!r}")
    design = load(source)
    with progress() as bar:
        task = bar.add_task(design.name, total=len(choose(tops(design), component)))

        def show(role: str, stage: str) -> None:
            bar.update(task, advance=stage == "placed", description=f"{role}: {stage}")

        found = place_design(
            design,
            device,
            roles=component,
            asked_hz=frequency * 1e6,
            seed=seed,
            constraints=constraints.read_text(encoding="utf-8") if constraints else None,
            bitstream=output is not None,
            progress=show,
        )
    if output is not None:
        for placed in found:
            placed.write(output)
    if as_json:
        places = [placed.as_dict() for placed in found]
        print_json({"design": design.name, "configuration_sha256": design.hash, "placements": places})
        return
    headers = ["component", "LUTs", "flip-flops", "memories", "multipliers", "clock, MHz"]
    print_table(f"{design.name} on {DEVICES[device].title}", headers, [_cells(placed) for placed in found])
    for placed in found:
        _print_rates(placed)


def _cells(placed: PlacedComponent) -> tuple[object, ...]:
    report = placed.report
    uses = []
    for kind in _USES:
        use = report.uses.get(kind)
        uses.append(f"{use.used:,} ({use.share:.0%})" if use else None)
    return (placed.role, *uses, report.clock_hz / 1e6)


def _print_rates(placed: PlacedComponent) -> None:
    """Rates of a component, a column for each number of planes."""
    if placed.gmacs:
        headers = ["planes", *map(str, placed.gmacs)]
        print_table(f"{placed.role}: GMAC/s", headers, [("at the fastest clock", *placed.gmacs.values())])
