"""The command `anda`.

Modules that take time to import are imported by the commands that need them, so that `anda --help` is quick.
"""

from __future__ import annotations

from typing import Annotated

import typer

from anda.cli.area import area
from anda.cli.axe import axe
from anda.cli.calibrate import calibrate
from anda.cli.capture import capture
from anda.cli.catalogue import doctor, formats, schema
from anda.cli.certify import certify
from anda.cli.compare import compare
from anda.cli.complete import complete
from anda.cli.demo import demo
from anda.cli.fpga import fpga
from anda.cli.generate import generate
from anda.cli.perplexity import perplexity
from anda.cli.power import power
from anda.cli.profile import profile
from anda.cli.quantize import quantize
from anda.cli.report import report
from anda.cli.search import search
from anda.cli.sweep import sweep
from anda.cli.verify import verify

__all__ = ["app", "main"]

app = typer.Typer(
    help="Generator of bit-exact, proved hardware for low-bit language-model arithmetic.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Help texts hold TOML tables, which markup would take for its own.
    rich_markup_mode=None,
    add_completion=False,
)


def main() -> None:
    """Entry point of the command."""
    app()


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"anda {installed('anda')}")
        raise typer.Exit


app.command()(formats)
app.command()(generate)
app.command()(verify)
app.command()(area)
app.command()(power)
app.command()(compare)
app.command()(sweep)
app.command()(fpga)
app.command()(demo)
app.command()(profile)
app.command()(quantize)
app.command()(search)
app.command()(axe)
app.command()(calibrate)
app.command()(certify)
app.command()(perplexity)
app.command()(complete)
app.command()(capture)
app.command()(report)
app.command()(doctor)
app.command()(schema)
