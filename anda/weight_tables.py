"""The documentation's figures of real weights: how they are measured, and the tables they become."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

from anda.tensors import MODEL_NAME, TensorFile, open_tensors

__all__ = ["MODELS", "measure_formats", "measure_profiles", "profile_rows", "quantize_rows"]

SILERO = "silero-vad"
"""A small network whose weights are stored as they were trained, in FP32; its package holds the file."""

MODELS: dict[str, tuple[str, ...]] = {
    MODEL_NAME: (),
    # Its remaining matrix is a Fourier transform and was not trained.
    SILERO: ("conv*.weight", "lstm_cell.weight_*"),
}
"""Models that are profiled, and patterns of the layers; all matrices without patterns."""

TENSORS = (
    (MODEL_NAME, "token_embd.weight"),
    (MODEL_NAME, "blk.15.ffn_down.weight"),
    (SILERO, "lstm_cell.weight_ih"),
)
"""Tensors that every 4-bit format is measured on."""

_DIGITS = 5

Table = tuple[list[str], list[list[str]]]


def measure_profiles(report: Callable[[str], None]) -> dict[str, Any]:
    """Fit every layer of the models, and quantize it to NF4 and SF4.

    Parameters
    ----------
    report : callable
        Told about each layer.

    Raises
    ------
    ValueError
        When a model or a package is not installed.
    """
    from anda.profiling import SAMPLE, LayerProfile, choose, profile_layers

    block = 128
    models = []
    for model, patterns in MODELS.items():
        file = _open(model)
        chosen = choose(file, patterns)
        layers = []
        for info, found in zip(chosen, profile_layers(file, chosen, block), strict=True):
            if not isinstance(found, LayerProfile):
                raise ValueError(f"every layer of {model} should be fitted; {found.name}: {found.reason}")
            report(f"{model} {info.name}")
            layers.append(
                {
                    "name": info.name,
                    "stored": info.stored,
                    "nu": _short(found.raw.nu),
                    "ks_gain": _short(found.raw.ks_gain),
                    "nu_within_blocks": _short(found.within_blocks.nu),
                    "ks_gain_within_blocks": _short(found.within_blocks.ks_gain),
                    **{f"{name}_db": _noise(file, info.name, name, block) for name in ("nf4", "sf4")},
                }
            )
        models.append({**_identity(model, file), "layers": layers})
    tools = _tools("numpy", "scipy", "gguf", "safetensors")
    return {"evidence": "computed", "tools": tools, "block": block, "sample": SAMPLE, "models": models}


def measure_formats(report: Callable[[str], None]) -> dict[str, Any]:
    """Quantize some tensors to every 4-bit format, with the block and the scale that each format has.

    Parameters
    ----------
    report : callable
        Told about each format.

    Raises
    ------
    ValueError
        When a model or a package is not installed.
    """
    from anda.quantization import choose_formats, measure, quantize_tensor

    tensors = []
    for model, name in TENSORS:
        file = _open(model)
        w = file.read(name)
        rows = []
        for form in choose_formats([], 4):
            report(f"{model} {name} {form}")
            row = measure(w, quantize_tensor(w, form)).as_dict()
            del row["counts"]
            rows.append(
                {key: _short(value) if isinstance(value, float) else value for key, value in row.items()}
            )
        info = file.tensors[name]
        about = {"tensor": name, "stored": info.stored, "shape": list(info.shape)}
        tensors.append({**_identity(model, file), **about, "formats": rows})
    return {"evidence": "computed", "tools": _tools("numpy", "gguf", "safetensors"), "tensors": tensors}


def profile_rows(data: Mapping[str, Any]) -> Table:
    """One row for each kind of layer and one for each model."""
    headers = ["", "layers", "nu", "KS gain", "nu within blocks", "KS gain", "SF4 over NF4, dB"]
    rows = []
    for model in data["models"]:
        kinds: dict[str, list[Mapping[str, Any]]] = {}
        for layer in model["layers"]:
            kinds.setdefault(_kind(layer["name"]), []).append(layer)
        for kind, layers in kinds.items():
            rows.append(_mean_row(f"{model['model']}, `{kind}`", layers))
        rows.append(_mean_row(f"**{model['model']}, mean**", model["layers"]))
    return headers, rows


def quantize_rows(data: Mapping[str, Any]) -> Table:
    """One row for each format, in the order of the first tensor, whose levels and clipping are told."""
    tensors = data["tensors"]
    headers = ["format", "block", "scale", "bits"]
    headers += [f"`{t['tensor'].removesuffix('.weight')}`, {t['stored']}, dB" for t in tensors]
    headers += ["levels", "clipped, %"]
    noise = [{row["format"]: row["sqnr_db"] for row in tensor["formats"]} for tensor in tensors]
    rows = []
    for row in sorted(tensors[0]["formats"], key=lambda row: -row["sqnr_db"]):
        clipped = 100 * row["clipped"] / row["weights"]
        rows.append(
            [
                f"`{row['format']}`",
                str(row["block"]),
                row["scale_format"].upper(),
                f"{row['bits_per_weight']:.3f}",
                *(f"{column[row['format']]:.2f}" for column in noise),
                f"{row['levels_used']}/{row['levels']}",
                f"{clipped:.2f}" if row["clipped"] else "0",
            ]
        )
    return headers, rows


def _mean_row(label: str, layers: Sequence[Mapping[str, Any]]) -> list[str]:
    def mean(key: str) -> float:
        return fmean(layer[key] for layer in layers)

    return [
        label,
        str(len(layers)),
        f"{mean('nu'):.2f}",
        f"{mean('ks_gain'):+.4f}",
        f"{mean('nu_within_blocks'):.1f}",
        f"{mean('ks_gain_within_blocks'):+.4f}",
        f"{mean('sf4_db') - mean('nf4_db'):+.2f}",
    ]


def _kind(name: str) -> str:
    """The name of a layer without its number, so that all layers of one kind are one row."""
    return re.sub(r"\d+", "N", name)


def _noise(file: TensorFile, tensor: str, form: str, block: int) -> float | None:
    from anda.quantization import measure, quantize_tensor
    from golden import formats

    w = file.read(tensor)
    found = measure(w, quantize_tensor(w, formats.get(form), block, "fp32")).sqnr_db
    return None if found is None else _short(found)


def _open(model: str) -> TensorFile:
    if model == MODEL_NAME:
        return open_tensors(model)
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or spec.origin is None:
        raise ValueError(
            f"the weights of {model} were expected: run `pip install --no-deps silero-vad==6.2.3`"
        )
    return open_tensors(Path(spec.origin).parent / "data" / "silero_vad_16k.safetensors")


def _identity(model: str, file: TensorFile) -> dict[str, str]:
    digest = hashlib.sha256(file.path.read_bytes()).hexdigest()
    return {"model": model, "file": file.path.name, "sha256": digest}


def _tools(*packages: str) -> dict[str, str]:
    return {name: version(name) for name in ("anda", *packages)}


def _short(value: float) -> float:
    """Digits that mean something, so that the data files stay small."""
    return float(f"{value:.{_DIGITS}g}")
