"""`anda complete`: how a language model goes on, in number formats of your choice."""

from __future__ import annotations

from typing import Annotated

import typer

from anda.cli.language import Model, open_model
from anda.cli.output import Json, one_sentence_errors, print_json, progress

__all__ = ["complete"]


@one_sentence_errors
def complete(
    model: Model,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="The beginning of the text.")],
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="Most tokens to add.")] = 40,
    plan: Annotated[
        str, typer.Option("--plan", "-p", help="Formats, such as anda:7, or a .toml or .json file.")
    ] = "float",
    as_json: Json = False,
) -> None:
    """Print what a model takes for the most likely continuation, one token after the other."""
    # First of all: it says so when a package is missing that the others import.
    file = open_model(model)
    import numpy as np

    from anda.llm.arithmetic import FLOAT
    from anda.llm.generate import generate_tokens
    from anda.llm.llama import Llama
    from anda.llm.plan import Plan
    from anda.llm.tokenizer import Tokenizer

    formats = Plan.parse(plan)
    tokenizer, llama = Tokenizer(file), Llama(file)
    asked = tokenizer.encode(prompt)
    if tokenizer.start is not None:
        asked = np.concatenate(([tokenizer.start], asked))
    arithmetic = FLOAT if formats == Plan() else formats.arithmetic(llama)
    added: list[int] = []
    with progress() as bar:
        task = bar.add_task(str(formats), total=tokens)
        for token in generate_tokens(llama, asked, tokens, arithmetic, end=tokenizer.end):
            added.append(token)
            bar.advance(task)
    whole = tokenizer.decode(np.concatenate((asked, np.array(added, dtype=np.int64))))
    # The prompt as the tokenizer gives it back, so that a space before the answer is not lost.
    answer = whole[len(tokenizer.decode(asked)) :]
    if as_json:
        print_json({"plan": str(formats), "prompt": prompt, "completion": answer, "tokens": added})
    else:
        typer.echo(prompt + answer)
