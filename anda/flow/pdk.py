"""Standard-cell libraries of an installed process design kit, in the layout of open_pdks.

    $PDK_ROOT/sky130A/libs.ref/sky130_fd_sc_hd/lib/sky130_fd_sc_hd__tt_025C_1v80.lib
    $PDK_ROOT/ihp-sg13g2/libs.ref/sg13g2_stdcell/lib/sg13g2_stdcell_typ_1p20V_25C.lib
    $PDK_ROOT/gf180mcuD/libs.ref/gf180mcu_fd_sc_mcu7t5v0/lib/gf180mcu_fd_sc_mcu7t5v0__tt_025C_5v00.lib

A library is called by the name of its folder or a short one (`sky130hd`, `sg13g2`, `gf180mcu7t`), a corner by
what follows in the name of the file (`sky130hd:ss_100C_1v60`). Without a corner, a typical one is taken.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anda.flow.liberty import LibertyError

__all__ = ["PdkLibrary", "find_liberty", "pdk_libraries", "pdk_root"]

#: A folder with standard cells, among those with pads and memories.
_CELLS = re.compile(r"_sc_|stdcell")
#: Short names, as flows call them: pattern of the folder, and what to make of it.
_SHORT = (
    (re.compile(r"sky130_fd_sc_(\w+)"), r"sky130\1"),
    (re.compile(r"sky130_osu_sc_(\w+)"), r"sky130osu_\1"),
    (re.compile(r"gf180mcu_fd_sc_mcu(\d+t)\w*"), r"gf180mcu\1"),
    (re.compile(r"gf180mcu_osu_sc_(\w+)"), r"gf180mcuosu_\1"),
    (re.compile(r"(\w+)_stdcell"), r"\1"),
)
#: Typical corners; the nominal temperature first.
_TYPICAL = (re.compile(r"(?:^|_)(?:tt|typ)_.*25C"), re.compile(r"(?:^|_)(?:tt|typ)(?:_|$)"))


@dataclass(frozen=True)
class PdkLibrary:
    """One standard-cell library.

    Attributes
    ----------
    name : str
        Of its folder.
    short : str
        What else it is called.
    process : str
        Folder of the process, such as ``sky130A``.
    corners : dict of str to Path
        Liberty files by corner.
    """

    name: str
    short: str
    process: str
    corners: Mapping[str, Path]

    def corner(self, wanted: str = "") -> Path:
        """The file of a corner, or of a typical one.

        Raises
        ------
        LibertyError
            When there is no such corner, or none of them is typical.
        """
        if wanted:
            if wanted in self.corners:
                return self.corners[wanted]
            raise LibertyError(
                f"Expected a corner of {self.name} ({', '.join(sorted(self.corners))}), got {wanted!r}."
            )
        for pattern in _TYPICAL:
            for name in sorted(self.corners, key=lambda name: (len(name), name)):
                if pattern.search(name):
                    return self.corners[name]
        raise LibertyError(
            f"Expected a typical corner of {self.name}, it has {', '.join(sorted(self.corners))}: "
            f"say which, as in {self.short}:{min(self.corners)}."
        )


def pdk_root(root: Path | str | None = None) -> Path | None:
    """The folder of the kits: the one given, or else `PDK_ROOT`; None when neither is there.

    Raises
    ------
    LibertyError
        When a folder is given that does not exist.
    """
    if root is not None and not Path(root).is_dir():
        raise LibertyError(f"Expected a folder with process design kits, {root} is none.")
    found = root or os.environ.get("PDK_ROOT")
    return Path(found) if found and Path(found).is_dir() else None


def pdk_libraries(root: Path | str | None = None) -> list[PdkLibrary]:
    """The standard-cell libraries below a folder or `PDK_ROOT`; of several variants of a process, the first.

    Raises
    ------
    LibertyError
        When a folder is given that does not exist.
    """
    folder = pdk_root(root)
    if folder is None:
        return []
    found: dict[str, PdkLibrary] = {}
    for place in sorted(folder.glob("*/libs.ref/*/lib")):
        name, process = place.parent.name, place.parent.parent.parent.name
        corners = {_corner(file, name): file for file in sorted(place.glob("*.lib"))}
        if _CELLS.search(name) and corners:
            found.setdefault(name, PdkLibrary(name, _short(name), process, corners))
    return list(found.values())


def find_liberty(name: str, root: Path | str | None = None) -> Path:
    """A Liberty file by its path, or by the name of a library of an installed kit.

    Parameters
    ----------
    name
        A path, or ``library`` or ``library:corner``.
    root
        Where the kits are; `PDK_ROOT` by default.

    Raises
    ------
    LibertyError
        When it is neither a file nor a known library.
    """
    path = Path(name).expanduser()
    # A name that looks like a file is one: whoever reads it says what is wrong with it.
    if path.is_file() or len(path.parts) > 1 or path.suffix == ".lib":
        return path
    library, _, corner = name.partition(":")
    known = pdk_libraries(root)
    for found in known:
        if library in (found.name, found.short):
            return found.corner(corner)
    there = ", ".join(found.short for found in known)
    hint = f"the libraries below {pdk_root(root)} are {there}" if there else "PDK_ROOT leads to no library"
    raise LibertyError(f"Expected a Liberty file at {path} or a library of that name, found neither: {hint}.")


def _corner(file: Path, library: str) -> str:
    """What the name of a file says beyond the name of its library."""
    return file.stem.removeprefix(library).strip("_") or file.stem


def _short(name: str) -> str:
    for pattern, short in _SHORT:
        if pattern.fullmatch(name):
            return pattern.sub(short, name)
    return name
