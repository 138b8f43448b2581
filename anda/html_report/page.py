"""The page itself: one file of HTML that loads nothing and is the same every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from anda.html_report.cells import html_table, inline, parse_markdown
from anda.html_report.diagrams import hierarchy_svg
from anda.html_report.plots import PLOTS, embedded
from anda.html_report.provenance import TIERS, Source, badge, provenance
from anda.html_report.sections import SECTIONS, Section, title_of
from anda.tables import TABLES

__all__ = ["build_page"]

Tables = Mapping[str, tuple[str, Callable[[Mapping[str, Any]], str]]]


def build_page(
    sources: Mapping[str, Source],
    extra: Sequence[Section] = (),
    tables: Tables = TABLES,
    report: Callable[[str], None] = lambda _: None,
) -> str:
    """The whole page.

    Parameters
    ----------
    sources : mapping of Source
        By name; sections whose data are not there say so.
    extra : sequence of Section
        Told before all others, such as a design measured for this page.
    tables : mapping
        For each table its data file and what writes it as Markdown.
    report : callable
        Told about each section.

    Returns
    -------
    str
        HTML without a date: equal data give equal bytes.
    """
    sections = (*extra, *SECTIONS)
    taken: set[str] = set()
    body = []
    for section in sections:
        report(section.title)
        body.append(_section(section, sources, tables, taken))
    links = "".join(f'<li><a href="#{each.id}">{escape(each.title)}</a></li>' for each in sections)
    tiers = "".join(f"<dt>{badge(tier)}</dt><dd>{escape(told)}</dd>" for tier, told in TIERS.items())
    style = (files("anda.html_report") / "style.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>anda: every figure and where it is from</title><style>{style}</style></head>\n<body>"
        "<header><h1>anda: every figure and where it is from</h1>"
        "<p>Tables and plots of all recorded runs. Each one carries its tier of evidence, the command that "
        "makes it again, tool versions and hashes. No figure of ours is typed in by hand, those of papers "
        f'are marked, and the page loads nothing from elsewhere.</p><dl class="tiers">{tiers}</dl>'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>\n<main>'
        + "\n".join(body)
        + f"</main>\n<footer>Written by <code>anda report</code> of anda {escape(version('anda'))} from "
        f"{len(sources)} data files.</footer></body></html>\n"
    )


def _section(section: Section, sources: Mapping[str, Source], tables: Tables, taken: set[str]) -> str:
    figures = list(_figures(section, sources, tables, taken))
    missing = [name for name in section.sources if name not in sources]
    text = "".join(f"<p>{inline(paragraph)}</p>" for paragraph in section.text.split("\n\n"))
    for name in missing:
        command = Source(name, {}, "").command
        text += (
            f'<p class="missing">Not recorded here: <code>{escape(name)}.json</code> '
            f"(<code>{escape(command)}</code>).</p>"
        )
    title = escape(section.title)
    return f'<section id="{section.id}"><h2>{title}</h2>{text}{"".join(figures)}</section>'


def _figures(
    section: Section, sources: Mapping[str, Source], tables: Tables, taken: set[str]
) -> Iterator[str]:
    if section.diagrams:
        for name in section.sources:
            if name in sources:
                yield from _diagrams(sources[name])
    for name in section.plots:
        plot = PLOTS[name]
        if plot.source in sources:
            source = sources[plot.source]
            drawing = embedded(plot.draw(source.data), name, plot.alt)
            yield _figure(name, plot.caption, f'<div class="drawing">{drawing}</div>', provenance(source))
    for name in section.tables(tables, taken):
        kind, render = tables[name]
        if kind in sources:
            source, title = sources[kind], title_of(section, name)
            headers, rows = parse_markdown(render(source.data))
            if not rows:
                # An interrupted run has recorded less.
                continue
            table = html_table(headers, rows, title)
            yield _figure(f"table-{name}", title, table, provenance(source, section.single.get(kind, "")))


def _diagrams(source: Source) -> Iterator[str]:
    for row in source.data["rows"]:
        name = f"blocks-{row['design']}-{row['role']}"
        title = f"Modules of {row['design']}: {row['role']}"
        drawing = hierarchy_svg(row, _described(row, title), name)
        hashes = {key: value for key, value in row.items() if key.endswith("sha256")}
        # Without the other rows, whose hashes are not this one's.
        own = replace(source, data={**source.data, **hashes, "rows": []})
        region = f'tabindex="0" role="region" aria-label="{escape(title)}"'
        scroll = f'<div class="scroll drawing" {region}>{drawing}</div>'
        yield _figure(name, title, scroll, provenance(own))


def _described(row: Mapping[str, Any], title: str) -> str:
    count = len(row["modules"])
    parts = ", ".join(
        part.removeprefix("anda_").replace("_", " ") for part in sorted(row["modules"][row["top"]]["parts"])
    )
    return f"{title}. {count} different modules; the top one consists of {parts}."


def _figure(name: str, caption: str, body: str, source: str) -> str:
    title = inline(caption)
    return f'<figure id="{name}"><figcaption><h3>{title}</h3></figcaption>{body}{source}</figure>'
