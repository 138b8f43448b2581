"""The `yosys` command on top of the `pyosys` wheel: the options that SymbiYosys and this project use.

The wheel has no command of its own, and an error inside Yosys ends the whole Python process; so Yosys runs
in a process of its own, this file.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

__all__ = ["COMMAND", "main"]

#: What to start instead of `yosys`.
COMMAND = (sys.executable, str(Path(__file__).resolve()))


def main(arguments: Sequence[str]) -> None:
    """Run scripts (`FILE`, `-s FILE`, `-` for standard input) and then commands (`-p TEXT`).

    `-q` prints nothing, `-l FILE` writes a log, `-ql FILE` both; `-V` prints the version.
    """
    if list(arguments) in (["-V"], ["--version"]):
        print(f"Yosys {version('pyosys')} (pyosys wheel)")
        return
    quiet, log = False, None
    scripts: list[str] = []
    commands: list[str] = []
    words = iter(arguments)
    for word in words:
        if word in ("-q", "-Q", "-T"):
            quiet |= word == "-q"
        elif word in ("-l", "-ql"):
            quiet |= word == "-ql"
            log = next(words)
        elif word == "-p":
            commands.append(next(words))
        else:
            scripts.append(next(words) if word == "-s" else word)

    from pyosys import libyosys

    design = libyosys.Design()
    if log is not None:
        libyosys.run_pass(f"tee -q -o {log} log start", design)
    tee = ("tee " if quiet or log else "") + ("-q " if quiet else "") + (f"-a {log} " if log else "")
    for script in scripts:
        if script == "-":
            with tempfile.NamedTemporaryFile("w", suffix=".ys", delete=False) as copy:
                copy.write(sys.stdin.read())
            script = copy.name
        libyosys.run_pass(f"{tee}script {script}", design)
    for command in commands:
        libyosys.run_pass(f"{tee}{command}", design)


if __name__ == "__main__":
    main(sys.argv[1:])
