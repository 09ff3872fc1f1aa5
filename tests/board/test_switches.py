"""A switch: no bounce fools its level, and its edge is the first raw one."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droptable.board.switches import Switch

DEBOUNCE_US = 3


def reference(samples: list[bool], debounce_us: int) -> tuple[bool, int, int | None]:
    """Level, first raw edge of what made it, and the undecided burst, told by brute force.

    `samples[t]` is the contact at the microsecond t. The level follows at the first t at which the
    contact has not changed for `debounce_us`; what came before that belongs to one burst.
    """
    level, edge, burst = samples[0], 0, None
    for t in range(1, len(samples)):
        quiet_since = t
        while quiet_since > 0 and samples[quiet_since - 1] == samples[t]:
            quiet_since -= 1
        if samples[t] != samples[t - 1]:
            # What was quiet for long enough at this very moment was decided before this edge.
            before = t - 1
            since = before
            while since > 0 and samples[since - 1] == samples[before]:
                since -= 1
            if burst is not None and t - since >= debounce_us:
                if samples[before] != level:
                    level, edge = samples[before], burst
                burst = None
            burst = t if burst is None else burst
        if burst is not None and t - quiet_since >= debounce_us:
            if samples[t] != level:
                level, edge = samples[t], burst
            burst = None
    return level, edge, burst


def stepped(samples: list[bool], debounce_us: int) -> Switch:
    switch = Switch.at_boot(samples[0], 0)
    for t, raw in enumerate(samples):
        switch = switch.sensed(raw, t, debounce_us)
    return switch


@pytest.mark.parametrize("debounce_us", [0, 1, 2, 3])
def test_every_short_history_gives_what_brute_force_gives(debounce_us: int) -> None:
    for length in range(1, 12):
        for samples in product((False, True), repeat=length):
            switch = stepped(list(samples), debounce_us)
            said = (switch.level, switch.edge_us, switch.burst_us)
            assert said == reference(list(samples), debounce_us), samples


@given(
    edges=st.lists(st.integers(1, 9), max_size=30),
    debounce_us=st.integers(0, 7),
    after_us=st.integers(0, 20),
)
def test_a_switch_that_is_called_at_its_edges_alone_knows_as_much_as_one_called_always(
    edges: list[int], debounce_us: int, after_us: int
) -> None:
    samples = [False]
    switch = Switch.at_boot(False, 0)
    for gap in edges:
        samples += [samples[-1]] * (gap - 1) + [not samples[-1]]
        switch = switch.sensed(samples[-1], len(samples) - 1, debounce_us)
    samples += [samples[-1]] * after_us
    switch = switch.sensed(samples[-1], len(samples) - 1, debounce_us)
    assert switch == stepped(samples, debounce_us)


def test_a_bounce_shorter_than_the_debounce_changes_no_level() -> None:
    switch = Switch.at_boot(True, 0).sensed(False, 100, DEBOUNCE_US).sensed(True, 102, DEBOUNCE_US)
    for now_us in range(102, 200):
        switch = switch.sensed(True, now_us, DEBOUNCE_US)
        assert switch.level
    assert switch.edge_us == 0


def test_the_edge_is_the_first_raw_one_of_a_bounce() -> None:
    switch = Switch.at_boot(True, 0)
    for now_us, raw in ((100, False), (101, True), (102, False)):
        switch = switch.sensed(raw, now_us, DEBOUNCE_US)
    assert switch.sensed(False, 104, DEBOUNCE_US).level
    decided = switch.sensed(False, 105, DEBOUNCE_US)
    assert not decided.level
    assert decided.edge_us == 100


def test_the_level_follows_at_the_debounce_time_and_not_before() -> None:
    opened = Switch.at_boot(True, 0).sensed(False, 100, DEBOUNCE_US)
    assert opened.sensed(False, 102, DEBOUNCE_US).level
    assert not opened.sensed(False, 103, DEBOUNCE_US).level


def test_without_debouncing_each_edge_counts_at_once() -> None:
    switch = Switch.at_boot(True, 0).sensed(False, 100, 0)
    assert (switch.level, switch.edge_us, switch.burst_us) == (False, 100, None)


def test_settle_time_counts_after_debouncing_however_late_it_is_asked() -> None:
    closed = Switch.at_boot(False, 0).sensed(True, 100, DEBOUNCE_US)
    late = closed.sensed(True, 1000, DEBOUNCE_US)
    assert late.level_since_us == 103
    assert not late.closed_for(20, 122)
    assert late.closed_for(20, 123)
    assert not late.closed_for(1000, 123)


def test_an_undecided_edge_makes_a_settled_switch_uncertain_until_it_is_decided() -> None:
    closed = Switch.at_boot(True, 0)
    assert closed.closed_for(20, 50)
    spike = closed.sensed(False, 50, DEBOUNCE_US)
    assert not spike.closed_for(20, 50)
    back = spike.sensed(True, 51, DEBOUNCE_US)
    assert not back.closed_for(20, 51)
    assert back.sensed(True, 54, DEBOUNCE_US).closed_for(20, 54)


def test_an_open_switch_is_steady_but_not_closed() -> None:
    switch = Switch.at_boot(False, 0)
    assert switch.steady_for(20, 20)
    assert not switch.steady_for(20, 19)
    assert not switch.closed_for(20, 20)
