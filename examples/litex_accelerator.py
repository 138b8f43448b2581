"""An accelerator in a LiteX design: registers on the system bus, streams for DMA or other cores.

LiteX is no dependency of anda: this file is for a target that has it. In the target's constructor::

    self.accelerator = AndaAccelerator(platform, rows=4, columns=8, lanes=64)
    region = SoCRegion(origin=0x9000_0000, size=0x100, cached=False)
    self.bus.add_slave("accelerator", self.accelerator.bus, region)
    self.irq.add("accelerator", use_loc_if_exists=True)

and connect `activations`, `weights` and `results`, and with `silu=True` also `gates`, which are streams of
LiteX, for instance to its DMA readers and writers. Software takes offsets and masks from `anda_registers.h`,
which is written beside the Verilog.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litex.gen import ClockSignal, Instance, LiteXModule, ResetSignal
from litex.soc.interconnect import stream
from litex.soc.interconnect.axi import AXILiteInterface
from litex.soc.interconnect.csr_eventmanager import EventManager, EventSourceLevel

from anda.accelerator_files import accelerator_files, accelerator_parameters


class AndaAccelerator(LiteXModule):
    """The accelerator as a module of LiteX.

    Parameters
    ----------
    platform : litex.build.generic_platform.GenericPlatform
    directory : Path
        Where the Verilog and the register files go.
    parameters
        As for `anda.accelerator_files.accelerator_parameters`.
    """

    def __init__(self, platform: Any, directory: Path = Path("build/anda"), **parameters: Any):
        sizes = accelerator_parameters(parameters)
        directory.mkdir(parents=True, exist_ok=True)
        files = accelerator_files(sizes)
        for name, text in files.items():
            (directory / name).write_text(text)
        verilog = next(iter(files))
        platform.add_source(str(directory / verilog))

        self.bus = bus = AXILiteInterface(data_width=32, address_width=32)
        self.activations = stream.Endpoint([("data", sizes.activations_bits)])
        self.weights = stream.Endpoint([("data", sizes.weights_bits)])
        self.results = stream.Endpoint([("data", sizes.results_bits)])
        streams = [
            ("s_axis_activations", self.activations, True),
            ("s_axis_weights", self.weights, True),
            ("m_axis_results", self.results, False),
        ]
        if sizes.engine.silu:
            self.gates = stream.Endpoint([("data", sizes.results_bits)])
            streams.append(("s_axis_gates", self.gates, True))
        self.ev = EventManager()
        self.ev.job = EventSourceLevel()
        self.ev.finalize()

        ports = {"i_clk": ClockSignal("sys"), "i_rst": ResetSignal("sys"), "o_irq": self.ev.job.trigger}
        ports |= {"i_s_axil_awprot": 0, "i_s_axil_arprot": 0}
        for name, inputs, outputs in (
            ("aw", ("addr", "valid"), ("ready",)),
            ("w", ("data", "strb", "valid"), ("ready",)),
            ("b", ("ready",), ("resp", "valid")),
            ("ar", ("addr", "valid"), ("ready",)),
            ("r", ("ready",), ("data", "resp", "valid")),
        ):
            channel, bits = getattr(bus, name), sizes.registers.address_bits
            for signal in inputs:
                value = getattr(channel, signal)
                ports[f"i_s_axil_{name}{signal}"] = value[:bits] if signal == "addr" else value
            for signal in outputs:
                ports[f"o_s_axil_{name}{signal}"] = getattr(channel, signal)
        for name, endpoint, inward in streams:
            given, taken = ("i", "o") if inward else ("o", "i")
            ports[f"{given}_{name}_tdata"] = endpoint.data
            ports[f"{given}_{name}_tlast"] = endpoint.last
            ports[f"{given}_{name}_tvalid"] = endpoint.valid
            ports[f"{taken}_{name}_tready"] = endpoint.ready
        self.specials += Instance(Path(verilog).stem, **ports)
