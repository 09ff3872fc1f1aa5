"""`make bench`: what the figures of the design are on this machine, now.

Each figure is a ratio to a floor that is measured in turn with it, so that a slow or a busy machine
slows both. bench.json is written where this is run; the table for people goes to stderr.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from tests.bench import drop, idle, journal, link, page, stop, world
from tests.bench.figures import Figure, document, table

BENCHES = (link, drop, stop, journal, world, idle, page)


def main() -> int:
    """Measure, write, show. 0 also when a bar is missed: a bench tells, and tests decide."""
    names = [name for bench in BENCHES for name in bench.NAMES]
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="few samples: does it run at all")
    parser.add_argument("--output", type=Path, default=Path("bench.json"), metavar="FILE")
    asked = parser.parse_args()
    if unknown := set(asked.only or ()) - set(names):
        parser.error(f"no figure {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    figures = _measured(set(asked.only or names), quick=asked.quick)
    asked.output.write_text(json.dumps(document(figures), indent=2) + "\n")
    print(table(figures), file=sys.stderr)
    return 0


def _measured(wanted: set[str], *, quick: bool) -> list[Figure]:
    figures: list[Figure] = []
    for bench in BENCHES:
        if not wanted.intersection(bench.NAMES):
            continue
        began_s = time.monotonic()
        found = asyncio.run(bench.measure(quick))
        figures += [figure for figure in found if figure.name in wanted]
        room = bench.__name__.rpartition(".")[2]
        print(f"{room}: {time.monotonic() - began_s:.0f} s", file=sys.stderr)
    return figures


if __name__ == "__main__":
    sys.exit(main())
