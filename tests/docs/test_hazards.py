"""The risk file holds: every hazard that is known, every control somewhere, every proof a test that ran."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tools import hazards_check
from tools.hazards import FILE, RiskFile, findings, page, read, unproven

ROOT = Path(__file__).parents[2]
RISKS = read(FILE.read_text())
KNOWN = (
    *("uncommanded drop", "latch incomplete", "hand in the gap", "motion after release"),
    *("two sections armed", "stale tablet command", "double command", "power loss in motion"),
    *("daemon or link loss", "reset energises outputs", "stuck valve or welded driver"),
    *("sensor failure", "wrong tension, or the last patient's", "unauthorised or accidental use"),
    "lost or false record, or bad calibration",
)

SMALL = """
severities: {minor: passes}
hazards:
  - id: H1
    hazard: Falling
    cause: a cause
    harm: a harm
    severity: minor
    controls:
      - control: It is held.
        where: [code.py::hold, code.py::Hand.grip, code.py::FINGERS]
        tests: [test_it.py::test_held, test_it.py::test_each]
    residual: none
"""
CODE = "FINGERS = 5\ndef hold(): ...\nclass Hand:\n    def grip(self): ...\n"
TESTS = """
import pytest
def test_held(): pass
@pytest.mark.parametrize("n", range(3))
def test_each(n): pass
"""
PASSED = {f"test_it.py::test_{name}": "passed" for name in ("held", "each[0]", "each[1]")}


@pytest.fixture
def small(tmp_path: Path) -> tuple[RiskFile, Path]:
    (tmp_path / "code.py").write_text(CODE)
    (tmp_path / "test_it.py").write_text(TESTS)
    return read(SMALL), tmp_path


def test_all_known_hazards_are_there() -> None:
    names = [hazard.hazard.lower() for hazard in RISKS.hazards]
    missing = [known for known in KNOWN if not any(known in name for name in names)]
    assert missing == []


def test_every_control_points_somewhere_and_every_proof_is_a_test() -> None:
    assert list(findings(RISKS)) == []
    assert all("::test_" in test for test in RISKS.tests)
    assert all(hazard.residual and hazard.cause and hazard.harm for hazard in RISKS.hazards)


def test_the_page_has_all_of_it() -> None:
    text = page(RISKS)
    for hazard in RISKS.hazards:
        assert f"## {hazard.id} {hazard.hazard}" in text
        assert hazard.residual in text
    assert all(test in text for test in RISKS.tests)


# What is wrong is found


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("code.py::hold -> code.py::let_go", "there is no let_go in code.py"),
        ("code.py::Hand.grip -> code.py::Hand.wave", "there is no Hand.wave in code.py"),
        ("code.py::FINGERS -> nowhere.py::FINGERS", "there is no nowhere.py"),
        ("code.py::FINGERS -> code.py", "there is no name in code.py"),
        ("::test_held -> ::test_renamed", "there is no test_renamed in test_it.py"),
        ("severity: minor -> severity: mild", "'mild' is no severity"),
    ],
)
def test_what_points_nowhere_is_found(
    small: tuple[RiskFile, Path], wrong: str, sentence: str
) -> None:
    right, put = wrong.split(" -> ")
    assert list(findings(small[0], small[1])) == []
    assert list(findings(read(SMALL.replace(right, put)), small[1])) == [f"H1: {sentence}"]


def test_what_is_left_out_is_found(small: tuple[RiskFile, Path]) -> None:
    risks, root = small
    (hazard,) = risks.hazards
    (control,) = hazard.controls

    def found(*hazards: object) -> str:
        return "\n".join(findings(replace(risks, hazards=hazards), root))

    assert "nothing stands against it" in found(replace(hazard, controls=()))
    assert "nowhere in the code" in found(replace(hazard, controls=(replace(control, where=()),)))
    assert "by no test" in found(replace(hazard, controls=(replace(control, tests=()),)))
    assert "more than once" in found(hazard, hazard)
    with pytest.raises(TypeError):
        read(SMALL.replace("residual: none", ""))
    with pytest.raises(TypeError):
        read(SMALL.replace("residual: none", "residual: none\n    other: 1"))


@pytest.mark.parametrize(
    ("outcomes", "why"),
    [
        ({}, "not run"),
        ({"test_it.py::test_held": "skipped"}, "skipped"),
        ({"test_it.py::test_held": "failed"}, "failed"),
    ],
)
def test_a_test_that_did_not_run_and_pass_proves_nothing(
    outcomes: dict[str, str], why: str
) -> None:
    assert list(unproven(read(SMALL), PASSED)) == []
    run = {name: done for name, done in PASSED.items() if "held" not in name} | outcomes
    assert list(unproven(read(SMALL), run)) == [f"H1 Falling: test_it.py::test_held: {why}"]


def test_all_parameters_of_a_test_count() -> None:
    run = {**PASSED, "test_it.py::test_each[1]": "failed"}
    (found,) = unproven(read(SMALL), run)
    assert found.endswith("test_each: failed, passed")


# A run of pytest, as `make test` has it

ALL_KINDS = (
    TESTS
    + """
@pytest.fixture
def end():
    yield
    1 / 0
@pytest.fixture
def begin():
    1 / 0
def test_fails(): assert False
def test_never_begins(begin): pass
def test_ends_badly(end): pass
@pytest.mark.skip("no")
def test_is_skipped(): pass
def test_is_expected_to_fail(): pytest.xfail("later")
"""
)
KINDS = {
    **PASSED,
    "test_it.py::test_each[2]": "passed",
    "test_it.py::test_fails": "failed",
    "test_it.py::test_never_begins": "failed",
    "test_it.py::test_ends_badly": "failed",
    "test_it.py::test_is_skipped": "skipped",
    "test_it.py::test_is_expected_to_fail": "skipped",
}


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "side by side"])
def test_a_run_ends_with_what_became_of_each_test(tmp_path: Path, workers: tuple[str, ...]) -> None:
    (tmp_path / "test_it.py").write_text(ALL_KINDS)
    outcomes = tmp_path / "made" / "outcomes.json"
    command = (sys.executable, "-m", "pytest", "-p", "tests.outcomes", *workers)
    ran = subprocess.run(
        [*command, "--outcomes", str(outcomes), "--rootdir", str(tmp_path), "test_it.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        check=False,
    )
    assert outcomes.exists(), ran.stdout.decode() + ran.stderr.decode()
    assert json.loads(outcomes.read_text()) == KINDS


def test_the_end_of_make_test_joins_its_runs_and_fails_for_one_test(
    small: tuple[RiskFile, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, root = small
    (root / "hazards.yaml").write_text(SMALL)
    monkeypatch.setattr(hazards_check, "FILE", root / "hazards.yaml")
    monkeypatch.setattr(hazards_check, "findings", lambda risks: findings(risks, root))
    first, second = root / "1.json", root / "2.json"
    held = "test_it.py::test_held"
    first.write_text(json.dumps({name: done for name, done in PASSED.items() if name != held}))
    second.write_text(json.dumps({held: "passed"}))
    assert hazards_check.main([str(first), str(second)]) == 0
    assert "was run and passed" in capsys.readouterr().out
    assert hazards_check.main([str(first)]) == 1
    assert "H1 Falling: test_it.py::test_held: not run" in capsys.readouterr().err
    (root / "code.py").write_text("")
    assert hazards_check.main([str(first), str(second)]) == 1
