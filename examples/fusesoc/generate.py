"""The generator that FuseSoC calls: writes an accelerator and the core file that names its parts."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from anda.accelerator_files import accelerator_files, accelerator_parameters

_TYPES = {".v": "verilogSource", ".vlt": "vlt", ".h": "user", ".rdl": "user", ".json": "user"}


def main() -> None:
    """Read what FuseSoC asks for, and write it into the current directory."""
    request = yaml.safe_load(Path(sys.argv[1]).read_text())
    files = accelerator_files(accelerator_parameters(request["parameters"]))
    for name, text in files.items():
        Path(name).write_text(text)
    top = Path(next(iter(files))).stem
    core = {
        "name": request["vlnv"],
        "filesets": {"rtl": {"files": [{name: {"file_type": _TYPES[Path(name).suffix]}} for name in files]}},
        "targets": {"default": {"filesets": ["rtl"], "toplevel": top}},
    }
    name = request["vlnv"].split(":")[2]
    Path(f"{name}.core").write_text("CAPI=2:\n" + yaml.safe_dump(core))


if __name__ == "__main__":
    main()
