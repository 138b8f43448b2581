"""Random accelerators, each verified with random data, for as long as you like.

Prints the seed first; with it, the same configurations and data come again in the same order. Ends with exit
status 1 at the first configuration that fails, and names it.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

from sim.configurations import DRAWS
from sim.verify import VerificationReport, soak


def _line(report: VerificationReport) -> None:
    (run,) = report.runs
    print(
        f"{'ok    ' if report.ok else 'FAILED'} {run.seed:>10} {len(run.tests):>3} tests  {run.top}",
        flush=True,
    )


def main() -> None:
    """Soak for the given time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="no new configuration after so many (10)")
    parser.add_argument("--seed", type=int, help="repeats a soak; without it a new one is drawn")
    parser.add_argument("--kind", choices=DRAWS, default="accelerator", help="of component (accelerator)")
    parser.add_argument("--simulator", default="auto", help="verilator, icarus, or auto")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data: more configurations")
    parser.add_argument("--work", type=Path, default=Path("build/sim"), help="for simulations and logs")
    given = parser.parse_args()
    seed = secrets.randbits(32) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    report = soak(
        given.kind,
        given.minutes,
        seed=seed,
        report=_line,
        simulator=given.simulator,
        quick=given.quick,
        work=given.work,
    )
    print(f"{len(report.runs)} configurations in {report.seconds / 60:.1f} minutes, seed {seed}")
    for failure in report.failures:
        print(failure, file=sys.stderr)
    sys.exit(not report.ok)


if __name__ == "__main__":
    main()
