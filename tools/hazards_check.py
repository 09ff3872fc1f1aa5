"""The end of `make test`: whether each hazard's tests were run and passed in this very run.

`python -m tools.hazards_check FILE...`, the files that `pytest --outcomes FILE` has written. Code 1
and a line for each test that is not proven to hold, or for each control that points nowhere.
"""

import json
import sys
from pathlib import Path

from tools.hazards import FILE, findings, read, unproven


def main(files: list[str]) -> int:
    """Compare the risk file with what was run."""
    risk_file = read(FILE.read_text())
    outcomes: dict[str, str] = {}
    for name in files:
        outcomes |= json.loads(Path(name).read_text())
    found = [*findings(risk_file), *unproven(risk_file, outcomes)]
    for line in found:
        print(f"hazards: {line}", file=sys.stderr)
    if not found:
        count = len(risk_file.hazards)
        print(f"hazards: {count}, each of their {len(risk_file.tests)} tests was run and passed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
