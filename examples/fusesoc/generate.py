"""The generator that FuseSoC calls: writes an accelerator and the core file that names its parts."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from anda.accelerator_files import accelerator_files, accelerator_parameters, core_file


def main() -> None:
    """Read what FuseSoC asks for, and write it into the current directory."""
    request = yaml.safe_load(Path(sys.argv[1]).read_text())
    files = accelerator_files(accelerator_parameters(request["parameters"]))
    for name, text in files.items():
        Path(name).write_text(text)
    top = Path(next(iter(files))).stem
    core = core_file(request["vlnv"], "An accelerator and its registers", files, top)
    name = request["vlnv"].split(":")[2]
    Path(f"{name}.core").write_text(core)


if __name__ == "__main__":
    main()
