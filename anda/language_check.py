"""Our forward pass and tokenizer against an independent implementation: transformers on PyTorch."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anda.extras import require

if TYPE_CHECKING:
    from anda.llm.llama import Llama

__all__ = ["check_model", "check_rows"]

Tokens = NDArray[np.int64]
Scores = Callable[[Tokens], NDArray[np.float32]]
"""Next-token scores [T, vocabulary] of one window of tokens [T]."""

_TOOLS = ("numpy", "gguf", "tokenizers", "torch", "transformers")


def check_model(
    path: Path,
    texts: Mapping[str, str],
    *,
    tokens: int = 2048,
    window: int = 512,
    report: Callable[[str], None] = lambda said: None,
) -> dict[str, Any]:
    """Run texts through both implementations.

    Parameters
    ----------
    path : Path
        GGUF file.
    texts : mapping of str to str
        By name. The whole of each is tokenized by both; its first tokens go through the model.
    tokens, window : int
        How many tokens, and how many the model sees at a time.
    report : callable
        Told before each text.

    Returns
    -------
    dict
        What docs/data/llm_check.json holds.

    Raises
    ------
    ValueError
        When the extra `check` is not installed.
    """
    for package in ("torch", "transformers", "accelerate"):
        require(package, "check", "the comparison with transformers")
    # Read when the package is imported: nothing is to be asked of a network.
    os.environ["HF_HUB_OFFLINE"] = "1"
    from anda.llm.gguf import GgufFile
    from anda.llm.llama import Llama
    from anda.llm.tokenizer import Tokenizer

    file = GgufFile(path)
    model, tokenizer = Llama(file), Tokenizer(file)
    encode, scores = _open_peer(path)
    rows = []
    for name, text in texts.items():
        report(name)
        ours, theirs = tokenizer.encode(text), encode(text)
        row = {
            "text": name,
            "text_tokens": len(ours),
            "peer_text_tokens": len(theirs),
            "same_tokens": bool(np.array_equal(ours[:tokens], theirs[:tokens])),
        }
        rows.append(row | _compare(model, scores, ours[:tokens], window))
    return {
        "evidence": "measured",
        "tools": {name: importlib.metadata.version(name) for name in _TOOLS},
        "model": path.name,
        "tokens": tokens,
        "window": window,
        "rows": rows,
    }


def _open_peer(path: Path) -> tuple[Callable[[str], Tokens], Scores]:
    """The tokenizer and the model of transformers, in float32."""
    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module("transformers")
    names = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    tokenizer = transformers.AutoTokenizer.from_pretrained(**names)
    model = transformers.AutoModelForCausalLM.from_pretrained(**names, dtype=torch.float32).eval()

    def encode(text: str) -> Tokens:
        return np.array(tokenizer(text, add_special_tokens=False)["input_ids"], dtype=np.int64)

    def scores(tokens: Tokens) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = model(torch.from_numpy(tokens[None])).logits[0].numpy()
        return found

    return encode, scores


def _compare(model: Llama, peer: Scores, tokens: Tokens, window: int) -> dict[str, Any]:
    """Figures of both, and how far their scores are apart."""
    from anda.llm.evaluate import evaluate

    found = evaluate(model, tokens, window=window, stride=window)
    loss, same, apart, largest = 0.0, 0, 0.0, 0.0
    for first in range(0, len(tokens), window):
        part = tokens[first : first + window]
        theirs, ours = (scores(part)[:-1].astype(np.float64) for scores in (peer, model.logits))
        logs = theirs - theirs.max(axis=-1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(axis=-1, keepdims=True))
        loss -= float(logs[np.arange(len(logs)), part[1:]].sum())
        same += int(np.count_nonzero(ours.argmax(axis=-1) == theirs.argmax(axis=-1)))
        apart = max(apart, float(np.abs(ours - theirs).max()))
        largest = max(largest, float(np.abs(theirs).max()))
    return {
        "predicted": found.tokens,
        "perplexity": found.perplexity,
        "peer_perplexity": float(np.exp(loss / found.tokens)),
        "same_top1": same,
        "largest_difference": apart,
        "largest_score": largest,
    }


def check_rows(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of the table of the documentation."""
    headers = [
        "text",
        "tokens of the text, here and there",
        "perplexity here",
        "transformers",
        "difference",
        "same top token",
        "largest difference of a score",
    ]
    body = [
        [
            row["text"],
            f"{row['text_tokens']:,}, {row['peer_text_tokens']:,}",
            f"{row['perplexity']:.4f}",
            f"{row['peer_perplexity']:.4f}",
            f"{100 * abs(row['perplexity'] / row['peer_perplexity'] - 1):.5f} %",
            f"{row['same_top1']:,} of {row['predicted']:,}",
            f"{row['largest_difference']:.5f} (scores reach {row['largest_score']:.1f})",
        ]
        for row in data["rows"]
    ]
    return headers, body
