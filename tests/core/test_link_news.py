"""Each way of losing the board: nothing is known, nothing goes on, nothing comes back by itself."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.limits import STATUS_STALE_US
from droptable.core.model import Health, Phase, SectionState, Verb
from tests.core.bench import ANN, LUMBAR, MS, THORACIC, Bench, S, board

Loss = Callable[[Bench], object]

LOSSES: dict[str, tuple[Loss, Health]] = {
    "silence by the core's clock": (
        lambda bench: bench.later(STATUS_STALE_US + 1),
        Health.STALE,
    ),
    "silence by the link's": (lambda bench: bench.take(ev.WentStale()), Health.STALE),
    "the session's end": (lambda bench: bench.take(ev.SessionOver()), Health.OPENING),
    "a new stream": (lambda bench: bench.take(ev.StreamOpened()), Health.OPENING),
    "a new session": (
        lambda bench: bench.take(ev.SessionOpened(board(), restarted=False)),
        Health.OPENING,
    ),
    "a broken stream": (
        lambda bench: bench.take(ev.LinkTrouble("LINK_VANISHED", "gone")),
        Health.DOWN,
    ),
    "another version": (
        lambda bench: bench.take(ev.LinkTrouble("LINK_VERSION", "2", refused=True)),
        Health.REFUSED,
    ),
}

losses = pytest.mark.parametrize(("lose", "health"), LOSSES.values(), ids=LOSSES)


@losses
def test_nothing_is_known_and_whoever_waits_is_told(lose: Loss, health: Health) -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.ask(ev.Do(Verb.ARM, THORACIC))
    bench.ask(ev.SetTension(LUMBAR, 1000))
    lose(bench)
    assert bench.state.link.health is health
    assert bench.state.table is None
    assert {section.phase for section in bench.state.sections} == {Phase.UNKNOWN}
    assert all(section.load_dn is None for section in bench.state.sections)
    silent = [[reason.code for reason in answer.reasons] for answer in bench.found(do.Answer)]
    assert silent == [["BOARD_SILENT"], ["BOARD_SILENT"]]
    assert bench.recorded()[0] == "link_down"
    assert bench.asked == []


@losses
def test_what_was_lost_is_not_done_when_the_board_is_back(lose: Loss, health: Health) -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.ask(ev.Do(Verb.ARM, THORACIC))
    bench.ask(ev.SetTension(LUMBAR, 1000))
    lose(bench)
    before = len(bench.all)
    bench.open()
    bench.status()
    bench.answer_params()
    bench.heard_for(1 * S)
    after = bench.all[before:]
    assert not any(isinstance(effect, do.SendCommand | do.SendStop) for effect in after)
    assert not any(isinstance(effect, do.SendParamSet) and effect.value == 1000 for effect in after)


@losses
def test_a_lost_board_is_told_once(lose: Loss, health: Health) -> None:
    bench = Bench().ready()
    for _ in range(3):
        lose(bench)
    kinds = [record.kind for record in bench.ever(do.Record) if record.kind.startswith("link_")]
    assert kinds[:2] == ["link_up", "link_down"]
    assert all(
        pair in (("link_up", "link_down"), ("link_down", "link_up")) for pair in pairwise(kinds)
    )


def test_up_and_down_take_turns_when_a_silent_board_is_heard_again() -> None:
    bench = Bench().ready()
    for _ in range(2):
        bench.take(ev.WentStale())
        assert bench.recorded() == ["link_down"]
        bench.status()
        assert bench.recorded() == ["link_up"]


def test_a_session_that_is_lost_before_the_board_is_heard_was_up_too() -> None:
    bench = Bench()
    bench.open()
    bench.take(ev.SessionOver())
    assert bench.recorded() == ["link_down"]


def test_the_link_is_stale_a_microsecond_after_its_time() -> None:
    bench = Bench().ready()
    bench.status()
    bench.later(STATUS_STALE_US)
    assert bench.state.link.health is Health.LIVE
    bench.later(1)
    assert bench.state.link.health is Health.STALE


def test_a_silent_board_that_is_heard_again_is_believed_again() -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.take(ev.WentStale())
    bench.status()
    assert bench.state.link.health is Health.LIVE
    assert bench.state.sections[THORACIC].phase is Phase.COCKED
    assert bench.sent(ev.Do(Verb.ARM, THORACIC)).verb is Verb.ARM


@pytest.mark.parametrize(
    "event", [ev.WentStale(), ev.RoundTrip(1), ev.ParamHeard(1, 0, 1, 2)], ids=str
)
def test_what_belongs_to_a_session_means_nothing_without_one(event: ev.Event) -> None:
    bench = Bench()
    before = bench.state
    assert bench.take(event) == ()
    assert bench.state == before


def test_a_status_without_a_session_is_not_believed() -> None:
    bench = Bench()
    bench.status()
    assert bench.state.link.health is Health.DOWN
    assert bench.state.table is None


def test_how_quick_a_board_is_is_not_known_of_the_next_session() -> None:
    bench = Bench().ready()
    bench.open()
    bench.status()
    bench.heard_for(1 * S)
    bench.ask(ev.TakeLease())
    assert bench.refused(ev.Do(Verb.COCK, THORACIC)) == ["SESSION_NEW"]
    bench.take(ev.RoundTrip(1 * MS))
    bench.sent(ev.Do(Verb.COCK, THORACIC))


def test_a_board_that_restarted_is_told_and_keeps_no_tension_of_anyone() -> None:
    bench = Bench().ready()
    bench.ask(ev.SetTension(LUMBAR, 1000))
    bench.answer_params()
    bench.event(1, 5)
    assert bench.state.sections[THORACIC].armed_board_us is not None
    bench.open(board(bench.values, boot_id=2), restarted=True)
    assert bench.recorded() == ["board_restarted", "link_up", "finding"]
    assert not bench.state.sections[LUMBAR].tension_confirmed
    assert bench.state.sections[THORACIC].armed_board_us is None


def test_the_trouble_is_told_until_the_board_is_heard() -> None:
    bench = Bench()
    bench.take(ev.LinkTrouble("LINK_SILENT", "no answer"))
    bench.open()
    assert bench.state.link.trouble == "LINK_SILENT"
    bench.status()
    assert bench.state.link.trouble is None


def test_only_the_past_and_the_daemon_s_own_are_kept_of_a_lost_section() -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.arm()
    bench.event(1, 5, board_us=77)
    bench.take(ev.WentStale())
    assert bench.state.sections[THORACIC] == SectionState(armed_board_us=77, tension_confirmed=True)
    assert bench.state.lease is not None
    assert bench.state.lease.holder == ANN
