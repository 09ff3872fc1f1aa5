"""Reads docs/hazards.yaml and says what in it does not hold; the page for people is made from it too.

A hazard without a control, a control without a place in the code or without a test, a place that is
not there, and a test that was not run or did not pass: each is a sentence.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docs" / "hazards.yaml"


@dataclass(frozen=True, slots=True)
class Control:
    """What stands against a hazard: a sentence, places in the code, tests by their ids."""

    control: str
    where: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hazard:
    """One hazard, as the risk file has it."""

    id: str
    hazard: str
    cause: str
    harm: str
    severity: str
    controls: tuple[Control, ...]
    residual: str


@dataclass(frozen=True, slots=True)
class RiskFile:
    """All of docs/hazards.yaml."""

    severities: Mapping[str, str]
    hazards: tuple[Hazard, ...]

    @property
    def tests(self) -> tuple[str, ...]:
        """Every test that proves something, once."""
        return tuple(dict.fromkeys(t for h in self.hazards for c in h.controls for t in c.tests))


def read(text: str) -> RiskFile:
    """The file as values. TypeError for a name that is missing or that nobody knows."""
    document: dict[str, Any] = yaml.safe_load(text)
    hazards = tuple(_hazard(found) for found in document.pop("hazards"))
    return RiskFile(hazards=hazards, **document)


def _hazard(found: dict[str, Any]) -> Hazard:
    controls = tuple(
        Control(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in control.items()
            }
        )
        for control in found.pop("controls")
    )
    return Hazard(controls=controls, **found)


# What does not hold


def findings(file: RiskFile, root: Path = ROOT) -> Iterator[str]:
    """What is wrong with the file by itself and with where it points."""
    ids = [hazard.id for hazard in file.hazards]
    for name in sorted({each for each in ids if ids.count(each) > 1}):
        yield f"{name} is there more than once"
    for hazard in file.hazards:
        if hazard.severity not in file.severities:
            yield f"{hazard.id}: {hazard.severity!r} is no severity"
        if not hazard.controls:
            yield f"{hazard.id}: nothing stands against it"
        for control in hazard.controls:
            yield from (f"{hazard.id}: {found}" for found in _of_control(control, root))


def _of_control(control: Control, root: Path) -> Iterator[str]:
    if not control.where:
        yield f"{control.control!r} is nowhere in the code"
    if not control.tests:
        yield f"{control.control!r} is proven by no test"
    for place in (*control.where, *control.tests):
        path, _, name = place.partition("::")
        if not (root / path).is_file():
            yield f"there is no {path}"
        elif name not in _names_in(root / path):
            yield f"there is no {name or 'name'} in {path}"


def _names_in(path: Path) -> frozenset[str]:
    return _names_of(path.read_text())


@cache
def _names_of(source: str) -> frozenset[str]:
    return frozenset(_names(ast.parse(source).body))


def _names(body: Iterable[ast.stmt], within: str = "") -> Iterator[str]:
    """What a module defines, methods as Class.method."""
    for node in body:
        match node:
            case ast.ClassDef(name=name):
                yield within + name
                yield from _names(node.body, f"{within}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield within + name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield within + name
            case _:
                pass


def unproven(file: RiskFile, outcomes: Mapping[str, str]) -> Iterator[str]:
    """The tests that did not all pass; `outcomes` is by id, each parameter by itself."""
    of_test: dict[str, list[str]] = {}
    for each, outcome in outcomes.items():
        of_test.setdefault(each.partition("[")[0], []).append(outcome)
    for hazard in file.hazards:
        for test in dict.fromkeys(t for control in hazard.controls for t in control.tests):
            found = sorted(set(of_test.get(test, ["not run"])))
            if found != ["passed"]:
                yield f"{hazard.id} {hazard.hazard}: {test}: {', '.join(found)}"


# For people

_HEAD = """# Hazards

<!-- Made from hazards.yaml by `make docs`; change that. -->

What can hurt somebody or falsify a record, what stands against it, where that is in the code, and the
tests that prove it: {count} hazards, {controls} controls, {tests} tests. The form is that of the risk file of
ISO 14971. There are no probabilities, as there are no field data; severity is that of the harm if nothing
stood against it. `make test` fails when one of these tests was not run, was skipped or failed, or when a
control points nowhere. This is the software's share: it is no risk management of a whole table, which
its maker has to do, and nobody has assessed it.
"""


def page(file: RiskFile) -> str:
    """docs/hazards.md."""
    controls = sum(len(hazard.controls) for hazard in file.hazards)
    head = _HEAD.format(count=len(file.hazards), controls=controls, tests=len(file.tests))
    severities = "\n".join(f"- *{name}*: {text}" for name, text in file.severities.items())
    contents = "\n".join(_line(hazard) for hazard in file.hazards)
    table = f"| | hazard | severity | controls |\n| --- | --- | --- | --- |\n{contents}"
    return "\n".join([head, severities, "", table, *map(_section, file.hazards)])


def _line(hazard: Hazard) -> str:
    anchor = (
        f"{hazard.id} {hazard.hazard}".lower().replace(",", "").replace("'", "").replace(" ", "-")
    )
    count = len(hazard.controls)
    return f"| [{hazard.id}](#{anchor}) | {hazard.hazard} | {hazard.severity} | {count} |"


def _section(hazard: Hazard) -> str:
    lines = [
        f"\n## {hazard.id} {hazard.hazard}\n",
        f"- **Cause.** {hazard.cause}",
        f"- **Harm.** {hazard.harm} Severity: {hazard.severity}.",
        f"- **What remains.** {hazard.residual}\n",
    ]
    for number, control in enumerate(hazard.controls, 1):
        lines.append(f"{number}. {control.control}")
        lines.append("   - in the code: " + ", ".join(map(_place, control.where)))
        lines += [f"   - proven by `{test}`" for test in control.tests]
    return "\n".join(lines) + "\n"


def _place(place: str) -> str:
    path, _, name = place.partition("::")
    return f"[`{name}`](../{path})"
