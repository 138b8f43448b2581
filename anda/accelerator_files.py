"""An accelerator as files for somebody's project: Verilog, exceptions to its lint, and its registers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import PurePath
from typing import Any

from anda.config import Design
from anda.registers_export import c_header, json_text, markdown, system_rdl
from anda.tops import accelerator_parameters as parameters_of
from golden import formats
from hdl.accelerator import Accelerator, AcceleratorParameters
from hdl.accelerator_registers import accelerator_registers
from hdl.array import ArrayParameters
from hdl.emit import WAIVER, emit_verilog
from hdl.engine import EngineParameters
from hdl.pe import PeParameters
from hdl.pipelined_array import PipelinedArrayParameters

__all__ = ["accelerator_files", "accelerator_parameters", "companions", "core_file", "register_files"]

_PE = ("lanes", "level_bits", "max_planes", "encoding")
_ARRAY = ("rows", "columns", "sharing", "columns_per_load")
_ENGINE = (
    "plane_words",
    "plane_groups",
    "weight_words",
    "rounding",
    "elementwise_words",
    "silu",
    "pipelined",
)
_STREAMS = ("activations_bits", "weights_bits", "results_bits")

#: File types of FuseSoC.
_TYPES = {".v": "verilogSource", ".vlt": "vlt"}


def accelerator_parameters(values: Mapping[str, Any]) -> AcceleratorParameters:
    """Parameters from one flat table, as a build tool has it; what is left out has its default.

    Parameters
    ----------
    values : mapping
        Of `lanes`, `level_bits`, `max_planes`, `encoding`, `format` (a name of the catalogue; it decides
        `level_bits`), `rows`, `columns`, `sharing`, `columns_per_load`, `plane_words`, `plane_groups`,
        `weight_words`, `rounding`, `elementwise_words`, `silu`, `pipelined`, `activations_bits`,
        `weights_bits`, `results_bits`.

    Raises
    ------
    ValueError
        A name is unknown, or a value does not fit.
    """
    known = (*_PE, "format", *_ARRAY, *_ENGINE, *_STREAMS)
    for name in values:
        if name not in known:
            raise ValueError(f"an accelerator has the parameters {', '.join(known)}, not {name!r}")

    def chosen(names: tuple[str, ...]) -> dict[str, Any]:
        return {name: values[name] for name in names if name in values}

    element = chosen(_PE)
    form = formats.get(values["format"]) if values.get("format") else None
    if form is not None:
        if form.level_bits is None:
            raise ValueError(f"the weights of an accelerator must have integer levels, {form.name} has none")
        element["level_bits"] = form.level_bits
    kind = PipelinedArrayParameters if values.get("pipelined") else ArrayParameters
    array = kind(pe=PeParameters(**element), format=form, **chosen(_ARRAY))
    return AcceleratorParameters(engine=EngineParameters(array=array, **chosen(_ENGINE)), **chosen(_STREAMS))


def accelerator_files(parameters: AcceleratorParameters) -> dict[str, str]:
    """Texts of the files by name, the Verilog first; the same parameters give the same bytes."""
    top = Accelerator(parameters)
    return {
        f"{top.module_name}.v": emit_verilog(top),
        "anda_lint.vlt": WAIVER.read_text(),
        **register_files(parameters),
    }


def register_files(parameters: AcceleratorParameters) -> dict[str, str]:
    """The registers for C, for register compilers, for programs and for people, by the names of the files."""
    registers = accelerator_registers(parameters.build)
    return {
        "anda_registers.h": c_header(registers),
        "anda_registers.rdl": system_rdl(registers),
        "anda_registers.json": json_text(registers),
        "anda_registers.md": markdown(registers, "Registers of the accelerator"),
    }


def core_file(name: str, description: str, files: Iterable[str], top: str) -> str:
    """The core file of FuseSoC that names the files beside it, with a target that lints them.

    Parameters
    ----------
    name : str
        Vendor, library, name and version, with colons between them.
    description : str
        One sentence.
    files : iterable of str
        Names of the files.
    top : str
        The module to build.
    """
    listed = "\n".join(
        f"      - {file}: {{file_type: {_TYPES.get(PurePath(file).suffix, 'user')}}}" for file in files
    )
    # What may hold anything is written as JSON, which YAML takes.
    return f"""CAPI=2:
name: {json.dumps(name)}
description: {json.dumps(description)}

filesets:
  rtl:
    files:
{listed}

targets:
  default: &default
    filesets: [rtl]
    toplevel: {top}
  lint:
    <<: *default
    flow: lint
    flow_options:
      tool: verilator
"""


def companions(design: Design) -> dict[str, str]:
    """What goes with the Verilog of a design: for one with an accelerator its registers and a core file, for
    others nothing.
    """
    if design.accelerator is None:
        return {}
    parameters = parameters_of(design)
    registers = register_files(parameters)
    top = parameters.module_name
    name = f"anda:generated:{design.name}:{version('anda')}"
    core = core_file(name, design.description, [f"{top}.v", WAIVER.name, *registers], top)
    return {**registers, f"{design.name}.core": core}
