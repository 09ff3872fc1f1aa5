"""Every architecture contract of pyproject.toml is alive: an import that it forbids breaks it."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]

# For each contract a module, and an import that the contract forbids it.
FORBIDDEN = {
    "pure": ("droptable.core.extra", "time"),
    "transport": ("droptable.link.extra", "droptable.link.transport"),
    "core-alone": ("droptable.core.extra", "droptable.link.messages"),
    "link-alone": ("droptable.link.extra", "droptable.board.model"),
    "board-alone": ("droptable.board.extra", "droptable.link.messages"),
    "conformance-alone": ("droptable.conformance.extra", "droptable.board.model"),
    "conformance-apart": ("droptable.daemon.extra", "droptable.conformance.suite"),
    "law-beneath-endpoint": ("droptable.board.model", "droptable.board.endpoint"),
    "no-shared-limits": ("droptable.core.extra", "droptable.board.controller"),
    "one-caller-of-step": ("droptable.daemon.extra", "droptable.core.step"),
    "black-box": ("droptable.blackbox.extra", "asyncio"),
    "black-box-apart": ("droptable.daemon.extra", "droptable.blackbox"),
    "journal": ("droptable.journal.extra", "droptable.mqtt"),
    "mqtt": ("droptable.mqtt.extra", "droptable.link.messages"),
    "one-door": ("droptable.api.extra", "droptable.daemon.runner"),
    "shell-outermost": ("droptable.daemon.extra", "droptable.cli"),
    "simulator-is-a-program": ("droptable.demo.extra", "firmware_sim"),
    "simulator-is-a-board": ("firmware_sim.extra", "droptable.daemon.runner"),
    "web-in-api": ("droptable.daemon.extra", "fastapi"),
    "broker-in-mqtt": ("droptable.daemon.extra", "paho.mqtt"),
    "database-in-journal": ("droptable.daemon.extra", "sqlite3"),
    "terminal-in-cli": ("droptable.daemon.extra", "rich"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy of the project that breaks every contract."""
    copy = tmp_path_factory.mktemp("house")
    for package in ("droptable", "firmware_sim"):
        shutil.copytree(
            ROOT / package,
            copy / package,
            ignore=lambda folder, names: {
                name
                for name in names
                if not name.endswith(".py") and not Path(folder, name, "__init__.py").exists()
            },
        )
    for module, forbidden in FORBIDDEN.values():
        path = copy.joinpath(*module.split(".")).with_suffix(".py")
        with path.open("a") as file:
            file.write(f"\nimport {forbidden}\n")
    shutil.copy(ROOT / "pyproject.toml", copy)
    lint = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run(
        [lint, "--no-logo", "--no-cache"],
        cwd=copy,
        env={"PYTHONPATH": str(copy), "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout + ran.stderr


def test_every_contract_has_an_import_that_breaks_it() -> None:
    assert {contract["id"] for contract in CONTRACTS} == FORBIDDEN.keys()


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract["id"])
def test_a_forbidden_import_breaks_the_contract(told: str, contract: dict[str, str]) -> None:
    broken = told.partition("Broken contracts")[2]
    # Under its name stands each import that breaks it, up to the next name with its underline.
    heading = re.escape(contract["name"]) + r"\n-+\n"
    section = re.split(r"\n\n.+\n---+\n", re.split(heading, broken)[1])[0]
    module, forbidden = FORBIDDEN[contract["id"]]
    named = forbidden.partition(".")[0] if forbidden.startswith("paho") else forbidden
    assert re.search(rf"{re.escape(module)}\b.*{re.escape(named)}\b", section)
