"""`anda formats`, `anda doctor` and `anda schema`: what there is."""

from __future__ import annotations

from dataclasses import asdict

import typer

from anda.cli.output import Json, one_sentence_errors, print_json, print_table

__all__ = ["doctor", "formats", "schema"]


@one_sentence_errors
def formats(as_json: Json = False) -> None:
    """List the number formats: what an element is worth, its bits, what may be chosen."""
    from anda.formats import catalogue

    rows = catalogue()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    for role in dict.fromkeys(row.role for row in rows):
        cells = [(r.name, r.value, r.bits, r.parameters, r.contract) for r in rows if r.role == role]
        print_table(role.capitalize(), ["name", "value", "bits each", "choices", "contract"], cells)


@one_sentence_errors
def doctor(as_json: Json = False) -> None:
    """Say what is installed, in which version, and what each missing piece would add.

    Exit status 1 when something that is always needed is missing.
    """
    from anda.doctor import healthy, look

    findings = look()
    if as_json:
        print_json({"healthy": healthy(findings), "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [
            (
                f.part,
                f.name,
                f.found or "missing",
                f.adds if f.found else f"would add: {f.adds} ({f.install})",
            )
            for f in findings
        ]
        print_table("What is here", ["part", "name", "version", "adds"], rows)
    if not healthy(findings):
        raise typer.Exit(1)


@one_sentence_errors
def schema() -> None:
    """Print the JSON Schema of design files."""
    from anda.config import Design

    print_json(Design.model_json_schema())
