"""HOME is asked for where the switches tell a place, and nowhere else: the board would refuse it."""

from dataclasses import replace
from itertools import product

import pytest

from droptable.core.model import Phase, Role
from droptable.core.readiness import Question, Wish, reasons
from tests.core.bench import ANN, THORACIC, Bench

PLACES = {(False, True, True), (True, False, True), (False, False, False)}
"""At the bottom, at the top, in between: up, down, pin."""


@pytest.mark.parametrize(("up", "down", "pin_in"), list(product((False, True), repeat=3)))
def test_a_section_is_homed_where_its_switches_tell_a_place(
    up: bool, down: bool, pin_in: bool
) -> None:
    bench = Bench().ready(Phase.UNKNOWN)
    first, *others = bench.state.sections
    told = replace(first, up=up, down=down, pin_in=pin_in)
    state = replace(bench.state, sections=(told, *others))
    found = reasons(Question(state, bench.now_us, Wish.HOME, THORACIC, ANN, role=Role.OPERATOR))
    expected = [] if (up, down, pin_in) in PLACES else ["SENSORS_DISAGREE"]
    assert [reason.code for reason in found] == expected
