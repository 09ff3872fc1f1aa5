"""`make mutants`: the search to its end, or to a bound that it prints, and every mutant."""

import argparse
import sys

from tests.search.board_mutants import MUTANTS
from tests.search.board_rooms import ROOMS
from tests.search.board_run import full, missed
from tests.search.core_run import report


def main() -> int:
    """Print what was searched; 1 if something is wrong or a mutant is not caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transitions", type=int, default=1_000_000, help="of each world, at most")
    asked = parser.parse_args()
    wrong = 0
    print("| board: world | states | transitions | depth | |\n| --- | --- | --- | --- | --- |")
    for room in ROOMS:
        seen = full(room.name, asked.transitions)
        print(seen.row, flush=True)
        wrong += len(seen.found.findings)
        for finding in seen.found.findings:
            print(finding)
        if room.healthy and seen.found.complete:
            moves, lost = seen.to_rest()
            print(f"  at rest in {moves} helpful moves from each state")
            wrong += len(lost)
    survivors = missed(MUTANTS)
    same = sum(bool(mutant.same) for mutant in MUTANTS)
    print(f"{len(MUTANTS)} mutants, {same} of them the same as the board in every state")
    for name in survivors:
        print(f"not caught, or not the same: {name}")
    return 1 if report(asked.transitions) or wrong or survivors else 0


sys.exit(main())
