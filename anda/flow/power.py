"""Power of a component on real cells: its netlist replays real data, and every toggle has its price.

`measure_power` maps a component to a library, runs a replay on the mapped netlist (`anda.flow.activity`,
which also checks every result), and adds up energies (`anda.flow.power_sum`). `PowerMeter` maps once and
measures several replays.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from anda.flow.activity import Activity, simulate
from anda.flow.library import Library
from anda.flow.netlist import CLOCK, read_netlist
from anda.flow.power_sum import Energy, Nets, add_up, net_loads
from anda.flow.power_tables import read_power
from anda.flow.recipe import RECIPE, Mapped, map_to_library, netlist_area
from anda.flow.timing import slopes
from anda.flow.yosys import tool_versions
from hdl.emit import emit_verilog
from hdl.modules import NamedComponent
from sim.replay_data import Replay

__all__ = ["PowerMeter", "PowerReport", "measure_power"]


class PowerReport(BaseModel):
    """Energy and power of one component on one library for one replay.

    Energies are in femtojoules per multiply-accumulate. Without glitches, every net changes at most once a
    cycle (zero delay); with them, every cell takes one unit of time.

    Attributes
    ----------
    dynamic_fj_per_mac
        Everything but leakage, without glitches; the sum of the five that follow.
    switching_fj_per_mac, inputs_fj_per_mac
        Pin and wire loads of nets that cells drive, and of those that input ports drive.
    logic_fj_per_mac, flops_fj_per_mac, clock_fj_per_mac
        Inside logic; inside flip-flops; clock pins with their loads.
    glitch_fj_per_mac
        `dynamic_fj_per_mac` with the toggles of unit delays.
    leakage_w, dynamic_w, total_w
        At `clock_hz`, without glitches.
    total_fj_per_mac
        `total_w` over the multiply-accumulates in a second.
    toggles_per_cycle, glitch_toggles_per_cycle
        Of all nets, the clock left out.
    macs, cycles
        Of one run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["power"] = "power"
    evidence: Literal["simulated on the mapped netlist"] = "simulated on the mapped netlist"
    top: str
    clock_hz: float
    voltage: float
    macs: int
    cycles: int
    runs: int
    results: int = Field(description="compared with the golden model, all equal")
    dynamic_fj_per_mac: float
    switching_fj_per_mac: float
    inputs_fj_per_mac: float
    logic_fj_per_mac: float
    flops_fj_per_mac: float
    clock_fj_per_mac: float
    glitch_fj_per_mac: float
    total_fj_per_mac: float
    leakage_w: float
    dynamic_w: float
    total_w: float
    toggles_per_cycle: float
    glitch_toggles_per_cycle: float
    wire_ff: float = Field(description="wire load for each input pin, in fF")
    area: float
    area_unit: str
    cells: int
    flops: int
    library: str
    library_sha256: dict[str, str]
    verilog_sha256: str
    recipe: str
    tools: dict[str, str]

    @property
    def macs_per_cycle(self) -> float:
        """Throughput while the replay runs, its first and last cycles included."""
        return self.macs / self.cycles


class PowerMeter:
    """One component mapped to one library, ready to replay.

    Parameters
    ----------
    component
    library
        With energies: a Liberty file of a real process.
    wire_ff
        Wire load in fF for each input pin a net drives; none by default.
    mapped
        The component on this library, flat, where it has been mapped before.

    Raises
    ------
    LibertyError
        When the library has no energies.
    YosysError
        When the component cannot be mapped, or has cells that cannot be simulated.
    """

    def __init__(
        self,
        component: NamedComponent,
        library: Library,
        *,
        wire_ff: float = 0.0,
        mapped: Mapped | None = None,
    ) -> None:
        self.library = library
        self.top = component.module_name
        self.verilog = emit_verilog(component)
        # A library without energies is refused before anything is mapped to it.
        self.power = read_power(library.files, [cell.name for cell in library.usable])
        self.mapped = mapped or map_to_library(self.verilog, self.top, library, flatten=True)
        self.netlist = read_netlist(self.mapped.flat, self.top, library)
        self.area = netlist_area(self.mapped.flat, self.top, library)
        self.wire_ff = wire_ff
        used = {group.cell.name for group in (*self.netlist.logic, *self.netlist.flops)}
        self.power = {name: self.power[name] for name in sorted(used)}
        self.loads = net_loads(self.netlist, self.power, wire_ff)
        self.slopes = np.zeros(self.netlist.nets)
        for wire, slope in slopes(self.mapped.flat, self.top, library).items():
            if isinstance(wire, int):
                self.slopes[self.netlist.wires[wire]] = slope

    def measure(self, replay: Replay, clock_hz: float) -> PowerReport:
        """Run a replay and add up what it costs.

        Raises
        ------
        ReplayError
            When the netlist computes anything but the expected results.
        ValueError
            When the clock is not positive.
        """
        if not clock_hz > 0:
            raise ValueError(f"a clock must have a positive frequency, not {clock_hz:g} Hz")
        activity = simulate(self.netlist, replay, glitches=True)
        return self._report(replay, activity, self.energy(activity), clock_hz)

    def energy(self, activity: Activity, *, glitches: bool = False) -> Energy:
        """Energy over a simulation, from its functional toggles or from those with unit delays.

        Raises
        ------
        ValueError
            When glitches are asked for that the simulation did not count.
        """
        if glitches and activity.glitches is None:
            raise ValueError("the simulation did not count glitches")
        toggles = activity.glitches if glitches and activity.glitches is not None else activity.toggles
        return add_up(self.netlist, self.power, Nets(toggles, activity.ones, self.slopes, self.loads))

    def uniform(self) -> Energy:
        """Energy of one cycle in which every net changes once and the clock twice, to compare sums with.

        Every net is high half of the time.
        """
        toggles = np.ones(self.netlist.nets)
        toggles[:2] = 0
        if CLOCK in self.netlist.inputs:
            toggles[self.netlist.inputs[CLOCK]] = 2
        return add_up(
            self.netlist, self.power, Nets(toggles, np.full(len(toggles), 0.5), self.slopes, self.loads)
        )

    def _report(self, replay: Replay, activity: Activity, energy: Energy, clock_hz: float) -> PowerReport:
        macs, moments = replay.macs * replay.runs, replay.cycles * replay.runs
        dynamic_w = energy.dynamic * 1e-15 / moments * clock_hz
        total_w = dynamic_w + energy.leakage
        slow = activity.toggles if activity.glitches is None else activity.glitches
        glitches = self.energy(activity, glitches=True)
        of_clock = 2 * moments if self.netlist.flops else 0
        return PowerReport(
            top=self.top,
            clock_hz=clock_hz,
            voltage=max(cell.voltage for cell in self.power.values()),
            macs=replay.macs,
            cycles=replay.cycles,
            runs=replay.runs,
            results=activity.results,
            dynamic_fj_per_mac=energy.dynamic / macs,
            switching_fj_per_mac=energy.switching / macs,
            inputs_fj_per_mac=energy.inputs / macs,
            logic_fj_per_mac=energy.logic / macs,
            flops_fj_per_mac=energy.flops / macs,
            clock_fj_per_mac=energy.clock / macs,
            glitch_fj_per_mac=glitches.dynamic / macs,
            total_fj_per_mac=total_w * 1e15 / (clock_hz * replay.macs / replay.cycles),
            leakage_w=energy.leakage,
            dynamic_w=dynamic_w,
            total_w=total_w,
            toggles_per_cycle=float(activity.toggles.sum() - of_clock) / moments,
            glitch_toggles_per_cycle=float(slow.sum() - of_clock) / moments,
            wire_ff=self.wire_ff,
            area=self.area,
            area_unit=self.library.area_unit,
            cells=self.netlist.cells,
            flops=sum(len(group.names) for group in self.netlist.flops),
            library=self.library.name,
            library_sha256=self.library.sha256,
            verilog_sha256=hashlib.sha256(self.verilog.encode()).hexdigest(),
            recipe=f"{RECIPE}: {self.mapped.choice}",
            tools=tool_versions(),
        )


def measure_power(
    component: NamedComponent, replay: Replay, library: Library, clock_hz: float, *, wire_ff: float = 0.0
) -> PowerReport:
    """Map a component, replay real data on the netlist, and add up its energy.

    Parameters
    ----------
    component
    replay
        Values of its input ports, and the results that must come out.
    library
        With energies: a Liberty file of a real process.
    clock_hz
        Clock frequency. Energies do not depend on it, powers do.
    wire_ff
        Wire load in fF for each input pin a net drives; none by default.

    Raises
    ------
    ValueError
        LibertyError, YosysError and ReplayError with their reasons.
    """
    return PowerMeter(component, library, wire_ff=wire_ff).measure(replay, clock_hz)
