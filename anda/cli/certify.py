"""`anda certify`: what integer weights can do to an accumulator at most, and is a certificate right."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anda.cli.output import Json, console, one_sentence_errors, print_json, print_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anda.ptq.certificate_format import Certificate

__all__ = ["certify"]

STAGE_TITLES = {
    "product": "multiplier",
    "group": "processing element",
    "inner": "tile",
    "outer": "row",
}


@one_sentence_errors
def certify(
    weights: Annotated[
        str,
        typer.Argument(
            metavar="WEIGHTS[:TENSOR]",
            help="Integer levels [channels, inputs]: a .npz file (its array `levels`, if none is named), "
            "a .npy file, or a .safetensors file.",
        ),
    ],
    certificate: Annotated[
        Path | None, typer.Argument(metavar="[CERTIFICATE.json]", help="The certificate to check.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", "-w", help="Instead: write a certificate of these weights.")
    ] = None,
    activation_bits: Annotated[
        int | None, typer.Option("--activation-bits", help="2 to 16; 8 if left out.", show_default=False)
    ] = None,
    signed: Annotated[
        bool | None,
        typer.Option(
            "--signed/--unsigned", help="Kind of activations; signed if left out.", show_default=False
        ),
    ] = None,
    tile: Annotated[
        int | None, typer.Option("--tile", help="Inputs of a tile; the whole row if left out.")
    ] = None,
    group: Annotated[
        int | None, typer.Option("--group", help="Lanes of a processing element; 64 if left out.")
    ] = None,
    inner_bits: Annotated[
        int | None,
        typer.Option("--inner-bits", help="Width of a tile's register; the narrowest safe one if left out."),
    ] = None,
    outer_bits: Annotated[
        int | None,
        typer.Option("--outer-bits", help="Width of the outer register; the narrowest safe one if left out."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that a certificate is right: that no activations can overflow the accumulators of these weights.

    Every field is computed again by code of its own, and the activations that reach the ends are put through
    the golden model's registers. Exit status 1 when something is wrong; the messages say which field.

    With --write, a certificate is made, and a width that is not safe is an error. The other options are for
    that.
    """
    options = {
        "--activation-bits": activation_bits,
        "--signed or --unsigned": signed,
        "--tile": tile,
        "--group": group,
        "--inner-bits": inner_bits,
        "--outer-bits": outer_bits,
    }
    if certificate is not None and write is None:
        given = [name for name, value in options.items() if value is not None]
        if given:
            raise ValueError(f"{given[0]} goes with --write; a certificate that is checked has its own")
        _check(weights, certificate, as_json=as_json)
    elif certificate is None and write is not None:
        from anda.files import write_all
        from anda.ptq.certificate import certify as make

        made = make(
            _levels(weights),
            activation_bits=8 if activation_bits is None else activation_bits,
            activation_signed=signed is not False,
            tile=tile,
            group=64 if group is None else group,
            inner_bits=inner_bits,
            outer_bits=outer_bits,
        )
        write_all(write.parent, {write.name: made.to_json()})
        if as_json:
            print_json({"certificate": write.name, "stages": _rows(made)})
        else:
            _show(made, weights)
            typer.echo(f"\nThe certificate is {write}")
    else:
        raise ValueError("expected a certificate to check, or --write and a file for a new one, and not both")


def _check(weights: str, path: Path, *, as_json: bool) -> None:
    from anda.ptq.certificate_format import Certificate
    from anda.ptq.recheck import recheck, replay

    certificate = Certificate.from_json(path.read_bytes(), path.name)
    levels = _levels(weights)
    wrong = recheck(certificate, levels)
    wrong += replay(certificate, levels)
    if as_json:
        print_json({"valid": not wrong, "mismatches": wrong, "stages": _rows(certificate)})
    else:
        _show(certificate, weights)
    for sentence in wrong:
        console(stderr=True).print(f"{path.name}: {sentence}", markup=False)
    if wrong:
        raise typer.Exit(1)
    if not as_json:
        typer.echo("\nThe certificate is right: no activations of its range can overflow a register.")


def _levels(source: str) -> NDArray[np.integer[Any]]:
    """Integer weights of a file as [channels, inputs]; a convolution's inputs are all its other axes."""
    from anda.tensors import open_tensors, split_source

    name, tensor = split_source(source)
    file = open_tensors(name)
    if tensor is None:
        tensor = "levels" if "levels" in file.tensors else file.only()
    if tensor not in file.tensors:
        raise ValueError(f"{file.path.name} has no tensor {tensor!r}; it has {', '.join(file.tensors)}")
    where, info = f"tensor {tensor} of {file.path.name}", file.tensors[tensor]
    if info.stored[0] not in "IU" or 0 in info.shape or not info.shape:
        raise ValueError(f"{where} should hold integer levels, not {info.stored} of shape {list(info.shape)}")
    try:
        levels = file.load(tensor)
    # NotImplementedError is what zipfile raises for a compression that it does not know.
    except (ValueError, OSError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"{where} cannot be read: {error}") from error
    return levels.reshape(1, -1) if levels.ndim == 1 else levels.reshape(len(levels), -1)


def _rows(certificate: Certificate) -> list[dict[str, Any]]:
    """What the table shows, by stage."""
    found = []
    for stage in certificate.stages:
        limit = 1 << (stage.bits - 1)
        found.append(
            {
                "stage": stage.name,
                "adds": stage.count,
                "bits": stage.bits,
                "min": stage.min,
                "max": stage.max,
                # How much further the nearer end of the register is.
                "slack": min(stage.min + limit, limit - 1 - stage.max),
                "bound": stage.bound,
            }
        )
    return found


def _show(certificate: Certificate, weights: str) -> None:
    c = certificate
    kind = "signed" if c.activation_signed else "unsigned"
    print_table(
        f"{Path(weights).name}: {c.channels} x {c.inputs} levels, {c.level_min} to {c.level_max}\n"
        f"{kind} activations of {c.activation_bits} bits, {c.tile} inputs a tile",
        ["register", "adds", "bits", "smallest", "largest", "slack", "safe by"],
        [(STAGE_TITLES[row["stage"]], *list(row.values())[1:]) for row in _rows(certificate)],
    )
