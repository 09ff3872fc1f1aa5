"""The seeds that are tried: some in every run, all of them when FUZZ_SEEDS says how many."""

import os
from pathlib import Path

IN_EVERY_RUN = 3

_LINES = (Path(__file__).parent / "seeds.txt").read_text().splitlines()
_LISTED = [int(line.split("#")[0]) for line in _LINES if line.split("#")[0].strip()]
_WANTED = int(os.environ.get("FUZZ_SEEDS", IN_EVERY_RUN))

SEEDS = [*_LISTED, *range(max(_LISTED) + 1, max(_LISTED) + 1 + _WANTED)][:_WANTED]
"""Those of the file first, and beyond it as many more as are asked for."""
