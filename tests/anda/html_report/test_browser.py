"""The page in a real browser, wide and narrow."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from anda.html_report.page import build_page
from anda.html_report.provenance import read_sources

DATA = Path(__file__).resolve().parents[3] / "docs" / "data"
WIDTHS = (1280, 480)

#: Looks at the page when it is laid out, and leaves what it finds in the title.
LOOK = """<script>
const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
let spilled = 0, boxes = 0;
for (const group of document.querySelectorAll('svg.blocks g')) {
  const box = group.querySelector('rect').getBBox();
  for (const text of group.querySelectorAll('text')) {
    boxes += 1;
    const own = text.getBBox();
    if (own.x + own.width > box.x + box.width || own.y + own.height > box.y + box.height + 2) spilled += 1;
  }
}
const empty = [...document.querySelectorAll('figure')].filter((f) => f.getBoundingClientRect().height < 60);
document.title = `wide ${wide} spilled ${spilled} of ${boxes} empty ${empty.length}`;
</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.fail("expected chromium on the path to look at the page, there is none")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(build_page(read_sources(DATA)).replace("</body>", f"{LOOK}</body>"))
    return path


def run(browser: str, page: Path, width: int, *arguments: str) -> str:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    profile = f"--user-data-dir={page.parent / 'profile'}"
    command = [browser, *options, profile, f"--window-size={width},2000", *arguments, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.mark.nightly
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows(browser: str, page: Path, width: int) -> None:
    found = run(browser, page, width, "--dump-dom")
    title = re.search(r"<title>wide (-?\d+) spilled (\d+) of (\d+) empty (\d+)</title>", found)
    assert title is not None
    wide, spilled, texts, empty = map(int, title.groups())
    assert texts > 100
    assert (wide <= 0, spilled, empty) == (True, 0, 0)


@pytest.mark.nightly
@pytest.mark.parametrize("width", WIDTHS)
def test_a_screenshot_shows_something(browser: str, page: Path, width: int) -> None:
    picture = page.parent / f"{width}.png"
    run(browser, page, width, f"--screenshot={picture}")
    content = picture.read_bytes()
    assert struct.unpack(">II", content[16:24]) == (width, 2000)
    assert len(content) > 50_000
