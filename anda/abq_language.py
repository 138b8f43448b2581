"""A whole language model in ABQ's formats: rounded to nearest, by GPTQ, or calibrated block by block."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anda.extras import require
from anda.files import write_all
from anda.llm.arithmetic import KINDS, PROJECTIONS, Arithmetic, Array, Kind, Weight
from anda.llm.cache import file_sha256, tokens_sha256
from anda.llm.llama import Llama
from anda.ptq.abq.affine import AffineFormat, AffineMatrix, affine_tokens, least_error_ends, ranges
from anda.ptq.abq.learnt import initial, quantize_block
from anda.ptq.abq.rounding import gptq_round
from anda.ptq.abq.stored import QuantizedBlock
from anda.ptq.abq.training import Training
from anda.ptq.abq.transform import MATRICES, BlockShape, compensated
from anda.ptq.hessian import damped

__all__ = ["METHODS", "AbqRecipe", "AffineArithmetic", "block_weights", "calibrate", "shape_of"]

Method = Literal["rtn", "gptq", "abq"]

METHODS: tuple[Method, ...] = get_args(Method)

_DAMPING = 0.01


@dataclass(frozen=True)
class AbqRecipe:
    """How a model is quantized.

    Attributes
    ----------
    weights : str
        A name of an `AffineFormat`, such as `4` or `2*`.
    activations : str or None
        The same for every input of a product but the attention's probabilities; None: floating point.
    method : str
        `rtn`: round to nearest. `gptq`: block by block on inputs of the quantized model. `abq`: learn
        transforms, clipping and compensation.
    group : int or None
        Weights of a row that share a scale; None: all.
    clip : bool
        `rtn` and `gptq`: clip every group where its squared error is least, instead of at its ends.
    training : Training
        `abq`: how it learns.

    Raises
    ------
    ValueError
        When a format or method does not exist.
    """

    weights: str
    activations: str | None
    method: Method = "abq"
    group: int | None = None
    clip: bool = False
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"a method is one of {', '.join(METHODS)}, not {self.method!r}")
        AffineFormat.parse(self.weights)
        if self.activations is not None:
            AffineFormat.parse(self.activations)

    @property
    def weight_format(self) -> AffineFormat:
        """What the weights are rounded to."""
        return AffineFormat.parse(self.weights)

    @property
    def activation_format(self) -> AffineFormat | None:
        """What everything else is rounded to."""
        return None if self.activations is None else AffineFormat.parse(self.activations)

    def about(self) -> dict[str, Any]:
        """What its results depend on, as JSON holds it."""
        found = asdict(self)
        if self.method == "abq":
            del found["clip"]
        else:
            del found["training"]
        return found


class AffineArithmetic(Arithmetic):
    """Products of quantized blocks with activations that are rounded as they come.

    What a norm is divided by, to fold a transform, is divided here, so that the model's file stays as it is.

    Parameters
    ----------
    blocks : sequence of QuantizedBlock
        One for each layer; more may be added.
    form : AffineFormat or None
        Of activations, queries, keys and values: a step for each token, and for each head where there are
        some.
    """

    def __init__(self, blocks: Sequence[QuantizedBlock], form: AffineFormat | None) -> None:
        self.blocks = blocks
        self.form = form
        self._values: dict[tuple[int, str], Array] = {}

    def activation(self, layer: int, kind: Kind, x: Array) -> Array:
        """Transformed and rounded, token by token."""
        return self._round(self.transformed(layer, kind, x))

    def transformed(self, layer: int, kind: Kind, x: Array) -> Array:
        """What enters a projection of the transformed model, before it is rounded."""
        scale = self.blocks[layer].learnt.get(f"scale.{kind}") if kind in ("qkv", "up_gate") else None
        return x if scale is None else x / scale

    def product(self, layer: int, part: str, x: Array, weight: Weight) -> Array:
        """A linear layer with quantized weights."""
        if (layer, part) not in self._values:
            self._values[layer, part] = self.blocks[layer].matrices[part].values().astype(x.dtype, copy=False)
        return np.asarray(x @ self._values[layer, part].T)

    def queries(self, layer: int, q: Array) -> Array:
        """Rounded, each head of a token by itself."""
        return self._round(q)

    def keys(self, layer: int, k: Array) -> Array:
        """As queries."""
        return self._round(k)

    def values(self, layer: int, v: Array) -> Array:
        """As queries."""
        return self._round(v)

    def _round(self, x: Array) -> Array:
        return x if self.form is None else affine_tokens(x, self.form)


def calibrate(
    model: Llama,
    tokens: NDArray[np.int64],
    recipe: AbqRecipe,
    directory: Path,
    done: Callable[[int, Sequence[float]], None] = lambda layer, losses: None,
) -> list[QuantizedBlock]:
    """Quantize every block of a model; finished blocks are kept, and an interrupted run goes on after them.

    Parameters
    ----------
    model : Llama
    tokens : int64 array [windows, T]
        Text to calibrate on.
    recipe : AbqRecipe
    directory : Path
        Where blocks are kept as they are finished, with `recipe.json`.
    done : callable
        Called after every block with its place and its losses.

    Raises
    ------
    ValueError
        When the directory holds another calibration, PyTorch is missing, or something does not fit.
    """
    _claim(directory, model, tokens, recipe)
    kept = _Kept(directory, model.config.layers, done)
    if kept.complete:
        # No text needs to go through what is there already.
        for _ in range(kept.layers):
            kept.load()
    elif recipe.method == "abq":
        _learn(model, tokens, recipe, kept)
    elif recipe.method == "gptq":
        model.blocks(tokens, model.config.layers, _OneByOne(model, recipe, kept))
    else:
        _round(model, recipe, kept)
    return kept.blocks


def _claim(directory: Path, model: Llama, tokens: NDArray[np.int64], recipe: AbqRecipe) -> None:
    """Write down what a directory is for, or see that it is for this."""
    about = {
        "recipe": recipe.about(),
        "model": file_sha256(model.file.path),
        "tokens": tokens_sha256(tokens),
        "windows": len(tokens),
    }
    path = directory / "recipe.json"
    if not path.exists():
        write_all(directory, {path.name: json.dumps(about, indent=1) + "\n"})
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} should say what the directory is for, but is damaged: {error}") from error
    if found != about:
        raise ValueError(
            f"{directory} should be empty or hold this calibration, but {path} is of another one"
        )


class _Kept:
    """The blocks so far, and their files."""

    def __init__(self, directory: Path, layers: int, done: Callable[[int, Sequence[float]], None]) -> None:
        self.directory, self.layers, self.done = directory, layers, done
        self.blocks: list[QuantizedBlock] = []

    @property
    def complete(self) -> bool:
        """Whether all blocks are kept."""
        return all(self._path(layer).exists() for layer in range(self.layers))

    def load(self) -> QuantizedBlock | None:
        """The next block, when it is kept."""
        path = self._path(len(self.blocks))
        if not path.exists():
            return None
        block = QuantizedBlock.load(path)
        self._add(block)
        return block

    def put(self, block: QuantizedBlock) -> None:
        """Keep the next block."""
        write_all(self.directory, {self._path(len(self.blocks)).name: block.to_bytes()})
        self._add(block)

    def _add(self, block: QuantizedBlock) -> None:
        self.blocks.append(block)
        self.done(len(self.blocks) - 1, block.losses)

    def _path(self, layer: int) -> Path:
        return self.directory / f"block-{layer:03d}.npz"


class _OneByOne(AffineArithmetic):
    """Quantizes the matrices of a model while the calibration text goes through it.

    Each matrix is rounded when its input comes, which by then is that of the quantized model.
    """

    def __init__(self, model: Llama, recipe: AbqRecipe, kept: _Kept) -> None:
        super().__init__(kept.blocks, recipe.activation_format)
        self._model, self._recipe, self._kept = model, recipe, kept
        self._current: QuantizedBlock | None = None
        self._started = 0.0

    def activation(self, layer: int, kind: Kind, x: Array) -> Array:
        if kind == KINDS[0] and layer == len(self._kept.blocks):
            self._started = time.process_time()
            self._current = None if self._kept.load() else QuantizedBlock({}, {})
        x = self._round(x)
        if self._current is not None:
            self._quantize(layer, kind, x)
        return x

    def product(self, layer: int, part: str, x: Array, weight: Weight) -> Array:
        if self._current is None:
            return super().product(layer, part, x, weight)
        out = np.asarray(x @ self._current.matrices[part].values().T)
        if part == MATRICES[-1]:
            seconds = time.process_time() - self._started
            self._kept.put(QuantizedBlock(self._current.matrices, {}, (), seconds))
            self._current = None
        return out

    def _quantize(self, layer: int, kind: Kind, x: Array) -> None:
        assert self._current is not None
        # Damping hides what float32 loses, and the products take half the time.
        rows = x.reshape(-1, x.shape[-1]).astype(np.float32, copy=False)
        hessian = damped((rows.T @ rows).astype(np.float64), _DAMPING)
        for part in PROJECTIONS[kind]:
            matrix = self._model.weight(f"blk.{layer}.{part}")
            self._current.matrices[part] = gptq_round(
                matrix, hessian, self._recipe.weight_format, *_ends(matrix, self._recipe)
            )


def _ends(matrix: Array, recipe: AbqRecipe) -> tuple[Array, Array]:
    """Where the grid of every group of a matrix ends, each [C, groups]."""
    if recipe.clip:
        return least_error_ends(matrix, recipe.weight_format, recipe.group)
    return ranges(matrix, recipe.group)


def _round(model: Llama, recipe: AbqRecipe, kept: _Kept) -> None:
    """Round every matrix to nearest."""
    for layer in range(model.config.layers):
        if kept.load() is None:
            started = time.process_time()
            weights = block_weights(model, layer)
            matrices = {
                part: AffineMatrix.of(weights[part], recipe.weight_format, *_ends(weights[part], recipe))
                for part in MATRICES
            }
            kept.put(QuantizedBlock(matrices, {}, (), time.process_time() - started))


def shape_of(model: Llama) -> BlockShape:
    """Sizes of the blocks of a model."""
    config = model.config
    return BlockShape(config.heads, config.kv_heads, config.head_size, config.epsilon)


def block_weights(model: Llama, layer: int) -> dict[str, NDArray[np.float32]]:
    """Matrices and norms of a block, copies in float32."""
    names = (*MATRICES, "attn_norm", "ffn_norm")
    return {name: np.array(model.weight(f"blk.{layer}.{name}"), dtype=np.float32) for name in names}


def _learn(model: Llama, tokens: NDArray[np.int64], recipe: AbqRecipe, kept: _Kept) -> None:
    require("torch", "calibrate", "calibration")
    import torch

    from anda.ptq.abq.torch_block import turns_of
    from anda.ptq.abq.torch_stream import Stream
    from anda.ptq.abq.torch_training import learn_block

    shape, training, form = shape_of(model), recipe.training, recipe.weight_format
    stream = Stream(
        torch.from_numpy(model.weight("token_embd")[tokens].astype(np.float32)),
        shape,
        turns_of(model.config.frequencies, tokens.shape[1]),
        recipe.activation_format,
    )
    for layer in range(model.config.layers):
        started = time.process_time()
        weights = block_weights(model, layer)
        stream.enter(weights, training.akl)
        block = kept.load()
        if block is None:
            start = initial(
                weights,
                stream.peaks,
                shape,
                form,
                recipe.group,
                smoothing=training.smoothing,
                fitted=training.fitted,
                compensate=compensated(layer, model.config.layers),
                offsets=training.rounding_rate > 0,
            )
            learnt, losses = learn_block(weights, start, stream, training, form)
            block = quantize_block(weights, learnt, shape, form, losses, time.process_time() - started)
            kept.put(block)
        stream.leave(block)
