"""The page of all recorded data: nothing is missing, everything says where it is from, nothing is loaded."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from anda.html_report.page import build_page
from anda.html_report.plots import PLOTS
from anda.html_report.provenance import TIERS, Source, read_sources
from anda.html_report.sections import SECTIONS
from anda.tables import TABLES
from tests.anda.html_report.parsed import Element, parse

DATA = Path(__file__).resolve().parents[3] / "docs" / "data"


@pytest.fixture(scope="module")
def sources() -> dict[str, Source]:
    return read_sources(DATA)


@pytest.fixture(scope="module")
def text(sources: dict[str, Source]) -> str:
    return build_page(sources)


@pytest.fixture(scope="module")
def page(text: str) -> Element:
    return parse(text)


def few(sources: dict[str, Source]) -> dict[str, Source]:
    return {name: sources[name] for name in ("accuracy", "blocks", "mac")}


def test_every_section_is_there_and_the_navigation_leads_to_it(page: Element) -> None:
    assert [each.attributes["id"] for each in page.all("section")] == [each.id for each in SECTIONS]
    (navigation,) = page.all("nav")
    assert [a.attributes["href"] for a in navigation.all("a")] == [f"#{each.id}" for each in SECTIONS]


def test_every_recorded_table_and_plot_is_there_once(page: Element, sources: dict[str, Source]) -> None:
    found = Counter(each.attributes["id"] for each in page.all("figure"))
    assert set(found.values()) == {1}
    for name, (source, render) in TABLES.items():
        if source in sources and render(sources[source].data).count("\n") > 1:
            assert f"table-{name}" in found
    for name, plot in PLOTS.items():
        if plot.source in sources:
            assert name in found


def test_every_figure_carries_its_evidence_and_the_command(page: Element) -> None:
    for figure in page.all("figure"):
        (provenance,) = figure.of_class("provenance")
        badges = provenance.of_class("badge")
        assert badges
        assert all(badge.attributes["class"].split()[1] in TIERS for badge in badges)
        (command,) = provenance.of_class("command")
        assert re.match(r"(python|make|anda) \S", next(command.all("code")).text)
        facts = {dt.text: dd.text for dt, dd in zip(provenance.all("dt"), provenance.all("dd"), strict=True)}
        assert re.fullmatch(r"[0-9a-f]{64}", facts["SHA-256"])


def test_every_drawing_is_described_for_those_who_cannot_see_it(page: Element) -> None:
    drawings = list(page.all("svg"))
    assert len(drawings) >= len(PLOTS)
    for drawing in drawings:
        assert drawing.attributes["role"] == "img"
        titles = {each.attributes.get("id"): each.text for each in drawing.all("title")}
        assert len(titles[drawing.attributes["aria-labelledby"]]) > 30
    assert not list(page.all("img"))


def test_nothing_is_loaded(text: str, page: Element) -> None:
    for element in page.all():
        assert element.tag not in ("script", "link", "iframe", "object", "image"), element
        for name, value in element.attributes.items():
            if name in ("href", "xlink:href", "src", "srcset", "data", "action"):
                assert value.startswith("#"), (element.tag, name, value)
    assert not re.search(r"@import|url\((?!#)", text)


def test_ids_are_unique_and_all_that_is_referred_to_exists(text: str, page: Element) -> None:
    ids = Counter(each.attributes["id"] for each in page.all() if "id" in each.attributes)
    assert not [name for name, times in ids.items() if times > 1]
    referred = re.findall(r"url\(#([^)]+)\)", text)
    for element in page.all():
        referred += [v[1:] for k, v in element.attributes.items() if k.endswith("href") and v.startswith("#")]
        referred += element.attributes.get("aria-labelledby", "").split()
    assert set(referred) <= set(ids)


def test_what_a_paper_claims_is_marked(page: Element) -> None:
    (figure,) = (each for each in page.all("figure") if each.attributes["id"] == "table-system-speed")
    (row,) = (tr for tr in figure.all("tr") if "the paper's mean" in tr.words)
    assert [badge.words for badge in row.of_class("paper")] == ["paper's claim"]
    assert all("claimed" in cell.attributes["class"] for cell in row.children)
    other = next(tr for tr in figure.all("tr") if "geometric mean" in tr.words)
    assert not other.of_class("claimed")


def test_tables_say_what_the_documentation_says(page: Element, sources: dict[str, Source]) -> None:
    (figure,) = (each for each in page.all("figure") if each.attributes["id"] == "table-area")
    shown = [[cell.words.strip() for cell in tr.children] for tr in figure.all("tr")]
    written = [
        [cell.strip(" *`") for cell in line.strip("|").split("|")]
        for line in TABLES["area"][1](sources["area"].data).splitlines()
    ]
    assert [row[1:] for row in shown[1:]] == [row[1:] for row in written[2:]]


def test_equal_data_give_equal_bytes(sources: dict[str, Source]) -> None:
    assert build_page(few(sources)) == build_page(few(sources))


def test_missing_data_are_named_with_what_makes_them(sources: dict[str, Source]) -> None:
    page = parse(build_page(few(sources)))
    (section,) = (each for each in page.all("section") if each.attributes["id"] == "proofs")
    assert not list(section.all("figure"))
    (missing,) = section.of_class("missing")
    assert [code.text for code in missing.all("code")] == ["proofs.json", "python scripts/measure_proofs.py"]


def test_markup_in_data_stays_text(sources: dict[str, Source]) -> None:
    data = json.loads(json.dumps(sources["accuracy"].data))
    data["rows"] = [{**row, "projection": "<b>&"} for row in data["rows"]]
    page = parse(build_page({"accuracy": Source("accuracy", data, "0" * 64)}))
    assert not list(page.all("b"))
    assert any("<b>&" in cell.words for cell in page.all("th"))


def test_a_directory_without_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected recorded data"):
        read_sources(tmp_path)
    (tmp_path / "area.json").write_text("{")
    with pytest.raises(ValueError, match=r"expected JSON in .*area\.json"):
        read_sources(tmp_path)
