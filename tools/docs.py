"""Writes the pages that are made from the code: `python -m tools.docs`, or `make docs`.

A test keeps what is in the repository equal to what this would write.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from droptable.mqtt import contract
from tools import board_page, hazards, reasons_page, states_drawing, states_page

ROOT = Path(__file__).parent.parent

PAGES: dict[str, Callable[[], str]] = {
    "docs/reasons.md": reasons_page.page,
    "docs/states.md": states_page.page,
    "docs/images/states.svg": states_drawing.drawing,
    "docs/hazards.md": lambda: hazards.page(hazards.read(hazards.FILE.read_text())),
    "docs/board.md": lambda: board_page.refreshed((ROOT / "docs/board.md").read_text()),
    **{f"docs/{path}": partial(contract.document, path) for path in contract.PATHS},
}
"""What each page has to be, from the code as it is now."""


def main() -> None:
    """Write every page that has changed, and say which."""
    for name, made in PAGES.items():
        page, text = ROOT / name, made()
        if not page.exists() or page.read_text() != text:
            page.write_text(text)
            print(f"docs: {name} is new")


if __name__ == "__main__":
    main()
