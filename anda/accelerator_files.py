"""An accelerator as files for somebody's project: Verilog, exceptions to its lint, and its registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anda.registers_export import c_header, json_text, system_rdl
from golden import formats
from hdl.accelerator import Accelerator, AcceleratorParameters
from hdl.accelerator_registers import accelerator_registers
from hdl.array import ArrayParameters
from hdl.emit import WAIVER, emit_verilog
from hdl.engine import EngineParameters
from hdl.pe import PeParameters

__all__ = ["accelerator_files", "accelerator_parameters"]

_PE = ("lanes", "level_bits", "max_planes", "encoding")
_ARRAY = ("rows", "columns", "sharing", "columns_per_load")
_ENGINE = ("plane_words", "plane_groups", "weight_words", "rounding")
_STREAMS = ("activations_bits", "weights_bits", "results_bits")


def accelerator_parameters(values: Mapping[str, Any]) -> AcceleratorParameters:
    """Parameters from one flat table, as a build tool has it; what is left out has its default.

    Parameters
    ----------
    values : mapping
        Of `lanes`, `level_bits`, `max_planes`, `encoding`, `format` (a name of the catalogue; it decides
        `level_bits`), `rows`, `columns`, `sharing`, `columns_per_load`, `plane_words`, `plane_groups`,
        `weight_words`, `rounding`, `activations_bits`, `weights_bits`, `results_bits`.

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
    array = ArrayParameters(pe=PeParameters(**element), format=form, **chosen(_ARRAY))
    return AcceleratorParameters(engine=EngineParameters(array=array, **chosen(_ENGINE)), **chosen(_STREAMS))


def accelerator_files(parameters: AcceleratorParameters) -> dict[str, str]:
    """Texts of the files by name, the Verilog first; the same parameters give the same bytes."""
    top = Accelerator(parameters)
    registers = accelerator_registers(parameters.build)
    return {
        f"{top.module_name}.v": emit_verilog(top),
        "anda_lint.vlt": WAIVER.read_text(),
        "anda_registers.h": c_header(registers),
        "anda_registers.rdl": system_rdl(registers),
        "anda_registers.json": json_text(registers),
    }
