"""A second opinion by OpenSTA: the netlist, its activities and a script as files, and what `sta` says.

The files stand alone, so that whoever has OpenSTA can run them: `sta -exit power.tcl`. The script asks for

- the power with one change a cycle on every net, which every version can be told and which checks units,
  tables and loads (`uniform`);
- the power with the simulated activities, in versions that can be told them for every pin (`simulated`);
- the worst slack, from which the longest path follows.

Activities are there as Tcl commands, which the script reads, and once more as SAIF for other tools.
Version 2.0.17, the one in Debian 12, propagates activities through logic whatever it is told. Its
internal power is twice to seven times what the tables say; `anda.flow.opensta_rules` tells why.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anda.flow.activity import Activity
from anda.flow.library import Library
from anda.flow.netlist import CLOCK, GateNetlist

__all__ = [
    "OpenStaError",
    "OpenStaPower",
    "OpenStaReport",
    "cross_check",
    "export",
    "opensta_version",
    "run_opensta",
    "structural_verilog",
]

_SCRIPT = "power.tcl"
_POWER = re.compile(r"^ANDA power (\w+)$.*?^Total\s+(\S+)\s+(\S+)\s+(\S+)\s", re.MULTILINE | re.DOTALL)
_SLACK = re.compile(r"^ANDA worst slack (\S+)$", re.MULTILINE)
_SECONDS = 300
_SIMULATED = """# Versions without this command propagate activities through logic whatever they are told.
if {[llength [info commands unset_power_activity]]} {
  unset_power_activity -global
  proc pin_activity {pin activity duty} {
    set_power_activity -pins [get_pins $pin] -activity $activity -duty $duty
  }
  proc port_activity {port activity duty} {
    set_power_activity -input_ports [get_ports $port] -activity $activity -duty $duty
  }
  source activity.tcl
  puts "ANDA power simulated"
  report_power -digits 9
}
"""


class OpenStaError(ValueError):
    """OpenSTA is not there, or said something unexpected."""


@dataclass(frozen=True)
class OpenStaPower:
    """Power of all cells in W; nets that ports drive are not among the switching ones."""

    internal_w: float
    switching_w: float
    leakage_w: float


@dataclass(frozen=True)
class OpenStaReport:
    """What OpenSTA reports.

    Attributes
    ----------
    version : str
    uniform : OpenStaPower
        With one change a cycle on every net.
    simulated : OpenStaPower or None
        With the simulated activities; None where the version cannot be told them.
    longest_path_ns : float
        Between registers and ports, setup included.
    """

    version: str
    uniform: OpenStaPower
    simulated: OpenStaPower | None
    longest_path_ns: float

    @property
    def fmax_hz(self) -> float:
        """Highest clock frequency."""
        return 1e9 / self.longest_path_ns


def opensta_version() -> str | None:
    """Version of the installed `sta`; None without one."""
    program = shutil.which("sta")
    if program is None:
        return None
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False, timeout=20)
    number = re.search(r"\d+(\.\d+)+", said.stdout)
    return number[0] if number else None


def export(
    folder: Path,
    netlist: GateNetlist,
    activity: Activity | None,
    library: Library,
    clock_hz: float,
    *,
    glitches: bool = False,
) -> list[Path]:
    """Write netlist, constraints, activities and a script for OpenSTA.

    Parameters
    ----------
    folder
        Made if need be.
    netlist, library
    activity
        None: for one change a cycle on every net alone.
    clock_hz
    glitches
        Export the toggles with unit delays in place of the functional ones.

    Raises
    ------
    ValueError
        When glitches are asked for that the simulation did not count.
    """
    period = 1e9 / clock_hz
    script = _script(netlist, library, period)
    texts = {"netlist.v": structural_verilog(netlist), "design.sdc": _constraints(netlist, period)}
    if activity is not None:
        toggles = activity.glitches if glitches else activity.toggles
        if toggles is None:
            raise ValueError("the simulation did not count glitches")
        rates = toggles / (activity.runs * activity.cycles)
        texts["activity.tcl"] = "".join(_activity_lines(netlist, rates, activity))
        texts["activity.saif"] = "".join(_saif_lines(netlist, rates, activity, period))
        script += _SIMULATED
    texts[_SCRIPT] = script
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def run_opensta(folder: Path, clock_hz: float) -> OpenStaReport:
    """Run the exported script.

    Raises
    ------
    OpenStaError
        When `sta` is not installed, or does not report power and slack.
    """
    version = opensta_version()
    if version is None:
        raise OpenStaError("Expected OpenSTA's program sta on the path: apt-get install opensta.")
    done = subprocess.run(
        ["sta", "-no_splash", "-exit", _SCRIPT],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    powers = {
        found[1]: OpenStaPower(*map(float, found.groups()[1:])) for found in _POWER.finditer(done.stdout)
    }
    slack = _SLACK.search(done.stdout)
    if "uniform" not in powers or slack is None:
        last = (done.stdout + done.stderr).strip().splitlines() or ["nothing"]
        raise OpenStaError(f"Expected power and slack from OpenSTA {version}, it ended with: {last[-1]}")
    path = 1e9 / clock_hz - float(slack[1])
    return OpenStaReport(version, powers["uniform"], powers.get("simulated"), path)


def cross_check(
    netlist: GateNetlist,
    activity: Activity | None,
    library: Library,
    clock_hz: float,
    *,
    glitches: bool = False,
) -> OpenStaReport:
    """Export to a folder that is thrown away, and run.

    Raises
    ------
    ValueError
        As `export` and `run_opensta`.
    """
    with tempfile.TemporaryDirectory(prefix="anda-") as folder:
        export(Path(folder), netlist, activity, library, clock_hz, glitches=glitches)
        return run_opensta(Path(folder), clock_hz)


def structural_verilog(netlist: GateNetlist) -> str:
    """The netlist as instances of library cells, with plain names: `u0`, `n17`."""
    ports = [*netlist.inputs, *netlist.outputs]
    lines = [f"module {netlist.top} ({', '.join(ports)});\n"]
    for direction, found in (("input", netlist.inputs), ("output", netlist.outputs)):
        for name, nets in found.items():
            width = f"[{len(nets) - 1}:0] " if len(nets) > 1 else ""
            lines.append(f"  {direction} {width}{name};\n")
    names = _net_names(netlist)
    driven = sorted(set(_drivers(netlist)))
    lines += [f"  wire {names[net]};\n" for net in driven]
    for instance, cell, pins in _instances(netlist):
        connections = ", ".join(f".{pin}({names[net]})" for pin, net in pins.items())
        lines.append(f"  {cell} {instance} ({connections});\n")
    for name, nets in netlist.outputs.items():
        for bit, net in enumerate(nets):
            place = f"{name}[{bit}]" if len(nets) > 1 else name
            lines.append(f"  assign {place} = {names[int(net)]};\n")
    return "".join([*lines, "endmodule\n"])


def _net_names(netlist: GateNetlist) -> list[str]:
    """A name for every net: the bit of an input port, a constant, or a number."""
    names = [f"n{net}" for net in range(netlist.nets)]
    names[:2] = ["1'b0", "1'b1"]
    for name, nets in netlist.inputs.items():
        for bit, net in enumerate(nets):
            names[net] = f"{name}[{bit}]" if len(nets) > 1 else name
    return names


def _instances(netlist: GateNetlist) -> Iterator[tuple[str, str, dict[str, int]]]:
    """Plain name, cell, and net of each pin, flip-flops first."""
    number = 0
    for group in (*netlist.flops, *netlist.logic):
        for k in range(len(group.names)):
            yield f"u{number}", group.cell.name, {pin: int(nets[k]) for pin, nets in group.nets.items()}
            number += 1


def _drivers(netlist: GateNetlist) -> dict[int, str]:
    """For every net that a cell drives, the pin that does."""
    outputs = {
        group.cell.name: [pin.name for pin in group.cell.outputs]
        for group in (*netlist.flops, *netlist.logic)
    }
    return {
        pins[pin]: f"{instance}/{pin}"
        for instance, cell, pins in _instances(netlist)
        for pin in outputs[cell]
    }


def _constraints(netlist: GateNetlist, period: float) -> str:
    """One clock, to which all ports belong: what belongs to none has no activity in OpenSTA."""
    lines = [f"create_clock -name {CLOCK} -period {period:.9g} [get_ports {CLOCK}]\n"]
    for command, ports in (("set_input_delay", netlist.inputs), ("set_output_delay", netlist.outputs)):
        for name, nets in ports.items():
            if name != CLOCK:
                pattern = f"{{{name}[*]}}" if len(nets) > 1 else name
                lines.append(f"{command} 0 -clock {CLOCK} [get_ports {pattern}]\n")
    return "".join(lines)


def _activity_lines(netlist: GateNetlist, rates: NDArray[np.float64], activity: Activity) -> Iterator[str]:
    names = _net_names(netlist)
    for name, nets in netlist.inputs.items():
        if name != CLOCK:
            for net in nets:
                yield f"port_activity {{{names[net]}}} {rates[net]:.6g} {activity.ones[net]:.6g}\n"
    for net, pin in _drivers(netlist).items():
        yield f"pin_activity {pin} {rates[net]:.6g} {activity.ones[net]:.6g}\n"


def _saif_lines(
    netlist: GateNetlist, rates: NDArray[np.float64], activity: Activity, period: float
) -> Iterator[str]:
    """Time at 0, time at 1 and toggles of every net over a million cycles, in picoseconds."""
    cycles = 1_000_000
    duration = round(cycles * period * 1000)
    yield '(SAIFILE\n  (SAIFVERSION "2.0")\n  (DIRECTION "backward")\n  (DIVIDER / )\n  (TIMESCALE 1 ps)\n'
    yield f"  (DURATION {duration})\n  (INSTANCE {netlist.top}\n    (NET\n"
    names = _net_names(netlist)
    for net in range(2, netlist.nets):
        high = round(float(activity.ones[net]) * duration)
        name = re.sub(r"([\[\]])", r"\\\1", names[net])
        toggles = round(float(rates[net]) * cycles)
        yield f"      ({name} (T0 {duration - high}) (T1 {high}) (TX 0) (TC {toggles}))\n"
    yield "    )\n  )\n)\n"


def _script(netlist: GateNetlist, library: Library, period: float) -> str:
    liberty = "".join(f"read_liberty {{{path}}}\n" for path in library.files)
    return f"""# Power of {netlist.top} at a period of {period:.9g} ns: sta -exit {_SCRIPT}
{liberty}read_verilog netlist.v
link_design {netlist.top}
set_cmd_units -time ns -power W
read_sdc design.sdc
# No wires, whatever wire load model the library has by default.
set_load 0 [get_nets *]
puts "ANDA worst slack [worst_slack -max]"
set_power_activity -global -activity 1.0 -duty 0.5
puts "ANDA power uniform"
report_power -digits 9
"""
