"""Accuracy of a model on a text: perplexity, divergence from the float model, and agreement on the top token.

Always all three: a format that shrinks activations towards zero can lower the perplexity while the
distribution moves away from the float model's.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.files import write_all
from anda.llm.arithmetic import FLOAT, Arithmetic, Array
from anda.llm.llama import Llama

__all__ = ["Reference", "Scores", "evaluate", "windows"]

Progress = Callable[[int, int], None]
"""`progress(done, total)`, in steps of about the same time."""

_BATCH_TOKENS = 2048
"""Tokens whose windows go through the model together: enough for the products to run at full speed."""

_CHUNK_SCORES = 1 << 23
"""Next-token scores held at a time, of each of the two models: 32 MB in float32."""


@dataclass(frozen=True)
class Scores:
    """How well a model predicts a text, and how far it is from the float model.

    Attributes
    ----------
    tokens : int
        Predicted tokens that all means are over.
    perplexity : float
        exp of the mean negative log-likelihood of the tokens.
    kl : float
        Mean Kullback-Leibler divergence KL(float || model) of the next-token distributions, in nats.
    top1 : float
        Share of tokens, 0 to 1, for which the most likely token is that of the float model.
    """

    tokens: int
    perplexity: float
    kl: float
    top1: float

    def as_dict(self) -> dict[str, Any]:
        """The four figures as JSON holds them."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Reference:
    """The float model on a text: from its final hidden states the scores are cheaply computed again.

    Attributes
    ----------
    hidden : float32 [N, hidden]
        Final hidden states at the positions that predict the N counted tokens.
    targets : int64 [N]
        These tokens.
    """

    hidden: NDArray[np.float32]
    targets: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        model: Llama,
        tokens: NDArray[np.int64],
        *,
        window: int = 512,
        stride: int = 512,
        progress: Progress | None = None,
    ) -> Reference:
        """Run the float model over a text; the parameters are those of `evaluate`."""
        counted = windows(len(tokens), window, stride)
        steps = _Steps(len(_batches(counted)) * model.config.layers, progress)
        return cls(_hidden(model, tokens, counted, FLOAT, steps), _targets(tokens, counted))

    def save(self, path: Path) -> None:
        """Write it as `.npz`, whole or not at all."""
        buffer = io.BytesIO()
        np.savez(buffer, hidden=self.hidden, targets=self.targets)
        write_all(path.parent, {path.name: buffer.getvalue()})

    @classmethod
    def load(cls, path: Path) -> Reference:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["hidden"], arrays["targets"])


@dataclass(frozen=True)
class Window:
    """One run of a text that the model sees at a time.

    Attributes
    ----------
    first, stop : int
        Its tokens.
    counted : int
        The first token whose prediction counts; those before it are context only.
    """

    first: int
    stop: int
    counted: int


def windows(count: int, window: int, stride: int) -> list[Window]:
    """The windows of a text of so many tokens.

    A window begins every `stride` tokens, until one reaches the end; the last may be shorter. Every token
    counts once, in the first window that has it, but for tokens that begin the window they would count in:
    nothing predicts them. So with a stride below the window only the last `stride` tokens of later windows
    count, each with at least `window - stride` tokens of context.

    Raises
    ------
    ValueError
        When the window is shorter than 2 tokens, the stride is not in 1..window, or nothing can be predicted.
    """
    if window < 2:
        raise ValueError(f"a window must have at least 2 tokens, not {window}")
    if not 1 <= stride <= window:
        raise ValueError(f"the stride must be in 1..{window} (the window), not {stride}")
    if count < 2:
        raise ValueError(f"the text must have at least 2 tokens, not {count}")
    found, reached = [], 0
    for first in range(0, count, stride):
        stop = min(first + window, count)
        counted = max(reached, first + 1)
        if counted < stop:
            found.append(Window(first, stop, counted))
        reached = stop
        if stop == count:
            break
    return found


def evaluate(
    model: Llama,
    tokens: NDArray[np.int64],
    arithmetic: Arithmetic = FLOAT,
    *,
    window: int = 512,
    stride: int = 512,
    reference: Reference | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Perplexity, mean KL divergence and top-1 agreement of an arithmetic on a text.

    Scores are computed from hidden states in chunks, so memory does not grow with tokens x vocabulary.

    Parameters
    ----------
    model : Llama
    tokens : int64 array [N]
        The text.
    arithmetic : Arithmetic
        How the model computes; for `FLOAT` itself the divergence is 0.
    window, stride : int
        As in `windows`.
    reference : Reference, optional
        The float model on the same text, window and stride; computed when missing.
    progress : callable, optional
        Called as `progress(done, total)`.

    Raises
    ------
    ValueError
        When window and stride do not fit, or the reference is of another text, window or stride.
    """
    counted = windows(len(tokens), window, stride)
    targets = _targets(tokens, counted)
    if reference is not None and not np.array_equal(reference.targets, targets):
        raise ValueError("the reference should be of the same text, window and stride, but is of others")
    plain = arithmetic is FLOAT
    runs = (not plain) + (reference is None)
    rows = max(1, _CHUNK_SCORES // model.vocabulary)
    chunks = range(0, len(targets), rows)
    steps = _Steps(runs * len(_batches(counted)) * model.config.layers + len(chunks), progress)
    if reference is None:
        reference = Reference(_hidden(model, tokens, counted, FLOAT, steps), targets)
    hidden = reference.hidden if plain else _hidden(model, tokens, counted, arithmetic, steps)
    totals = np.zeros(3)
    for first in chunks:
        some = slice(first, first + rows)
        exact = model.head(reference.hidden[some])
        actual = exact if plain else model.head(hidden[some])
        totals += _compare(exact, actual, targets[some])
        steps.next()
    loss, kl, same = totals / len(targets)
    return Scores(len(targets), float(np.exp(loss)), float(kl), float(same))


def _compare(exact: Array, actual: Array, targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums over positions [n]: loss of the model in nats, KL(float || model), equal top tokens.

    The scores [n, vocabulary] may be in float32: what is added up over the vocabulary is added in float64,
    after the largest was subtracted, so that the error of a divergence is some 1e-7 nats.
    """
    rows = np.arange(len(targets))
    tops = exact.argmax(axis=-1), actual.argmax(axis=-1)
    exact = exact - exact[rows, tops[0]][:, None]
    actual = actual - actual[rows, tops[1]][:, None]
    chosen = actual[rows, targets].astype(np.float64)
    # log q - log p = (actual - exact) - (log sum exp(actual) - log sum exp(exact))
    log_total = np.log(np.exp(actual).sum(axis=-1, dtype=np.float64))
    actual -= exact
    shares = np.exp(exact, out=exact)
    total = shares.sum(axis=-1, dtype=np.float64)
    moved = np.multiply(actual, shares, out=actual).sum(axis=-1, dtype=np.float64) / total
    kl = log_total - np.log(total) - moved
    return np.array([(log_total - chosen).sum(), kl.sum(), np.count_nonzero(tops[0] == tops[1])])


class _Steps:
    """Counts what is done and tells."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def next(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)


def _batches(counted: list[Window]) -> list[list[Window]]:
    """Windows of one length that go through the model together."""
    batches: list[list[Window]] = []
    for window in counted:
        length = window.stop - window.first
        last = batches[-1] if batches else []
        if not last or last[0].stop - last[0].first != length or (len(last) + 1) * length > _BATCH_TOKENS:
            batches.append([])
        batches[-1].append(window)
    return batches


def _hidden(
    model: Llama, tokens: NDArray[np.int64], counted: list[Window], arithmetic: Arithmetic, steps: _Steps
) -> NDArray[np.float32]:
    """Final hidden states [N, hidden] where a counted token is predicted."""

    def found() -> Iterator[Array]:
        for batch in _batches(counted):
            inputs = np.stack([tokens[window.first : window.stop] for window in batch])
            for window, states in zip(batch, model.hidden(inputs, arithmetic, steps.next), strict=True):
                yield states[window.counted - 1 - window.first : -1]

    return np.concatenate([states.astype(np.float32, copy=False) for states in found()])


def _targets(tokens: NDArray[np.int64], counted: list[Window]) -> NDArray[np.int64]:
    return np.concatenate([tokens[window.counted : window.stop] for window in counted])
