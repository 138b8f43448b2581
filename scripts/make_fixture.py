"""Rebuilds tests/data/smollm2_block.npz from the language model, byte for byte (`make fixture`)."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from anda.fixture import FILE, save
from anda.llm.extract import extract_block
from anda.llm.gguf import find_smollm2

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"


def main() -> int:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA / FILE
    text = (DATA / "gettysburg.txt").read_text(encoding="utf-8")
    try:
        save(extract_block(find_smollm2(), text), target)
    except ValueError as error:
        print(f"make_fixture: {error}", file=sys.stderr)
        return 2
    print(f"{hashlib.sha256(target.read_bytes()).hexdigest()}  {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
