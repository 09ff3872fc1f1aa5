"""A series goes on only while somebody holds it on, whatever it was about to do."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.limits import ROUND_TRIP_MAX_US, TENSION_SET_KEY
from droptable.core.model import Control, LegLength, Phase, SectionState, State, Verb
from droptable.core.overs import Over
from tests.core.bench import (
    ANN,
    BOB,
    LUMBAR,
    MS,
    OTHER_PAGE,
    PAGE,
    THORACIC,
    Bench,
    S,
)

DROP = 7
WINDOW_US = 15 * S
OWN = ev.StartOwnSeries("own", THORACIC, drops=2, window_us=WINDOW_US)


class Adjustment:
    """A series at the thoracic section, and a board that does what it is told."""

    def __init__(self, *, pedal: bool = False, drops: int = 2) -> None:
        self.bench = Bench().ready(Phase.LOCKED)
        self.pedal = pedal
        self.intent = 0
        self.drops = 0
        self.bench.ask(ev.TakeLease(PAGE))
        assert self.bench.ask(replace(OWN, drops=drops)) == ()

    @property
    def verbs(self) -> list[Verb]:
        return [command.verb for command in self.bench.ever(do.SendCommand)]

    def press(self) -> None:
        """A foot on the pedal, or a finger on the page."""
        if self.pedal:
            self.bench.status(hold_pressed=True)
            assert self.bench.state.gesture is not None
        else:
            self.intent = self.bench.pressed(Control.SERIES)

    def let_go(self) -> None:
        if self.pedal:
            self.bench.status(hold_pressed=False)
        else:
            self.bench.take(ev.Released(PAGE, self.intent))

    def passes(self, us: int) -> None:
        """Time in which it is held on."""
        until_us, did = self.bench.now_us + us, []
        while self.bench.now_us < until_us:
            did += self.bench.heard_for(min(100 * MS, until_us - self.bench.now_us))
            if self.pedal:
                did += self.bench.take(ev.Alive(PAGE))
            else:
                did += self.bench.take(ev.Holding(PAGE, self.intent))
        self.bench.did = tuple(did)

    def taken(self) -> None:
        self.bench.result(self.bench.ever(do.SendCommand)[-1].cmd_id)

    def to_cocking(self) -> None:
        self.press()
        self.passes(500 * MS)
        self.taken()
        self.bench.phase(THORACIC, Phase.COCKING)

    def to_cocked(self) -> None:
        self.to_cocking()
        self.bench.phase(THORACIC, Phase.SECURING)
        self.bench.phase(THORACIC, Phase.COCKED)

    def to_armed(self) -> None:
        self.to_cocked()
        self.passes(500 * MS)
        self.taken()
        self.bench.phase(THORACIC, Phase.ARMED)

    def to_dropped(self) -> None:
        self.to_armed()
        self.falls()

    def falls(self) -> do.Record:
        """It falls, and the board tells of it."""
        self.bench.phase(THORACIC, Phase.DROPPING)
        self.bench.phase(THORACIC, Phase.DROPPED)
        record = self.told()
        self.bench.phase(THORACIC, Phase.LOCKED)
        return record

    def told(self) -> do.Record:
        self.drops += 1
        self.bench.event(self.drops, DROP, THORACIC, a=50_000, b=4000, c=2000)
        return next(record for record in self.bench.found(do.Record) if record.kind == "drop")


WAYS = [False, True]
PHASES: dict[str, Callable[[Adjustment], None]] = {
    "pressed": Adjustment.press,
    "cocking": Adjustment.to_cocking,
    "cocked": Adjustment.to_cocked,
    "armed": Adjustment.to_armed,
    "dropped": Adjustment.to_dropped,
}


def causes(bench: Bench) -> list[object]:
    return [r.data["cause"] for r in bench.ever(do.Record) if r.kind == "series_ended"]


# The cycle


@pytest.mark.parametrize("pedal", WAYS, ids=["page", "pedal"])
def test_a_series_cocks_arms_and_after_the_drop_again_until_its_count(*, pedal: bool) -> None:
    it = Adjustment(pedal=pedal)
    it.to_armed()
    assert it.falls().data["series"] == "own"
    it.passes(500 * MS)
    it.taken()
    for phase in (Phase.COCKING, Phase.SECURING, Phase.COCKED):
        it.bench.phase(THORACIC, phase)
    it.passes(500 * MS)
    it.taken()
    it.bench.phase(THORACIC, Phase.ARMED)
    assert it.falls().data["series"] == "own"
    assert causes(it.bench) == ["count reached"]
    assert it.bench.state.series is not None
    assert it.bench.state.series.done == 2
    it.passes(3 * S)
    assert it.verbs == [Verb.COCK, Verb.ARM, Verb.COCK, Verb.ARM]
    assert it.bench.state.gesture is None


@pytest.mark.parametrize("pedal", WAYS, ids=["page", "pedal"])
def test_the_first_motion_waits_for_500_ms_of_holding_and_each_next_one_for_rest(
    *, pedal: bool
) -> None:
    it = Adjustment(pedal=pedal)
    it.bench.heard_for(2 * S)
    it.press()
    it.passes(500 * MS - 1)
    assert it.verbs == []
    it.bench.later(1)
    assert it.verbs == [Verb.COCK]
    # The board sees its pedal by itself and is not told of a finger that is not there.
    assert it.bench.beat == (True, not pedal)
    it.taken()
    for phase in (Phase.COCKING, Phase.SECURING, Phase.COCKED):
        it.bench.phase(THORACIC, phase)
    it.passes(500 * MS - 1)
    assert it.verbs == [Verb.COCK]
    it.bench.later(1)
    assert it.verbs == [Verb.COCK, Verb.ARM]


def test_a_series_at_a_cocked_section_arms_after_900_ms_of_holding() -> None:
    bench = Bench().ready(Phase.COCKED)
    bench.ask(ev.TakeLease(PAGE))
    bench.ask(OWN)
    bench.heard_for(2 * S)
    intent = bench.pressed(Control.SERIES)
    bench.held_for(900 * MS - 1, intent)
    assert bench.ever(do.SendCommand) == []
    bench.later(1)
    assert bench.one(do.SendCommand).verb is Verb.ARM


def test_a_window_that_ends_without_a_thrust_is_armed_again_under_the_same_hold() -> None:
    it = Adjustment()
    it.to_armed()
    it.bench.phase(THORACIC, Phase.SECURING)
    it.bench.phase(THORACIC, Phase.COCKED)
    it.passes(500 * MS)
    assert it.verbs == [Verb.COCK, Verb.ARM, Verb.ARM]


def test_nothing_is_cocked_again_before_the_drop_is_told_of() -> None:
    it = Adjustment()
    it.to_armed()
    for phase in (Phase.DROPPING, Phase.DROPPED, Phase.LOCKED):
        it.bench.phase(THORACIC, phase)
    it.passes(2 * S)
    assert it.verbs == [Verb.COCK, Verb.ARM]
    it.told()
    assert it.verbs == [Verb.COCK, Verb.ARM, Verb.COCK]


# Letting go


@pytest.mark.parametrize("pedal", WAYS, ids=["page", "pedal"])
@pytest.mark.parametrize("reach", PHASES.values(), ids=PHASES)
def test_letting_go_ends_the_motion_or_the_arming_and_only_a_new_press_goes_on(
    reach: Callable[[Adjustment], None], *, pedal: bool
) -> None:
    it = Adjustment(pedal=pedal)
    reach(it)
    verbs, phase = it.verbs, it.bench.phases[THORACIC]
    it.let_go()
    assert it.bench.state.gesture is None
    assert not it.bench.beat[1]
    if phase in (Phase.COCKING, Phase.ARMED):
        assert it.bench.beat == (False, False), "the board halts and disarms at once"
        after = Phase.HALTED if phase is Phase.COCKING else Phase.SECURING
        it.bench.phase(THORACIC, after)
    if phase is Phase.ARMED:
        it.bench.phase(THORACIC, Phase.COCKED)
    assert it.bench.beat == (True, False)
    for _ in range(4):
        it.bench.take(ev.Alive(PAGE))
        it.bench.heard_for(1 * S)
    assert it.verbs == verbs, "nothing begins again by itself"
    assert causes(it.bench) == []
    it.press()
    it.passes(900 * MS)
    assert len(it.verbs) == len(verbs) + 1


def test_a_gap_ends_what_a_finger_held_on() -> None:
    it = Adjustment()
    it.to_armed()
    it.bench.heard_for(250 * MS)
    assert it.bench.beat == (True, False)
    it.bench.later(1)
    assert it.bench.over() == [Over.GAP]
    assert it.bench.beat == (False, False)


def test_an_arm_that_is_under_way_when_the_finger_goes_up_is_taken_back() -> None:
    it = Adjustment()
    it.to_cocked()
    it.passes(500 * MS)
    assert it.verbs[-1] is Verb.ARM
    it.let_go()
    assert it.bench.beat == (False, False)
    it.taken()
    it.bench.phase(THORACIC, Phase.ARMED)
    assert it.bench.beat == (False, False)


def test_what_was_armed_in_a_series_that_is_over_is_armed_anew_by_a_finger_as_ever() -> None:
    it = Adjustment()
    it.to_armed()
    it.let_go()
    it.bench.ask(ev.EndSeries())
    it.bench.phase(THORACIC, Phase.SECURING)
    it.bench.phase(THORACIC, Phase.COCKED)
    it.bench.arm()
    assert it.bench.beat == (True, False)
    assert "series" not in it.falls().data


def test_what_is_left_of_an_old_series_does_not_take_the_lease_from_an_arming() -> None:
    bench = Bench().ready(Phase.COCKED)
    changed(bench, series="old")
    bench.sent(ev.Do(Verb.ARM, THORACIC))
    assert bench.beat == (True, False)


ENDS: dict[str, tuple[Callable[[Adjustment], object], str]] = {
    "lease given back": (lambda it: it.bench.ask(ev.ReleaseLease()), "lease ended"),
    "hidden page": (lambda it: it.bench.take(ev.Hidden(PAGE)), "lease ended"),
    "take-over": (lambda it: it.bench.ask(ev.TakeOverLease(OTHER_PAGE), BOB), "take-over"),
    "stop": (lambda it: it.bench.take(ev.StopAsked("signal")), "stop"),
    "stop at the table": (lambda it: it.bench.status(stopped=True), "stop"),
    "fault": (lambda it: it.bench.phase(LUMBAR, Phase.FAULT), "fault"),
    "own fault": (lambda it: it.bench.phase(THORACIC, Phase.FAULT), "fault"),
    "stale": (lambda it: it.bench.take(ev.WentStale()), "link lost"),
    "session over": (lambda it: it.bench.take(ev.SessionOver()), "link lost"),
    "journal": (lambda it: it.bench.take(ev.JournalHealth(failed=True)), "lease ended"),
    "daemon ends": (lambda it: it.bench.take(ev.Closing()), "lease ended"),
    "asked, by anyone": (lambda it: it.bench.ask(ev.EndSeries(), BOB), "asked"),
    "window": (lambda it: it.passes(WINDOW_US), "window over"),
}


@pytest.mark.parametrize("reach", PHASES.values(), ids=PHASES)
@pytest.mark.parametrize(("end", "cause"), ENDS.values(), ids=ENDS)
def test_whatever_ends_a_series_ends_its_hold_and_nothing_follows(
    reach: Callable[[Adjustment], None], end: Callable[[Adjustment], object], cause: str
) -> None:
    it = Adjustment(drops=9)
    reach(it)
    if cause == "window over":
        # Where it is held on it would go on; it is left as it is here.
        it.let_go()
        it.pedal = True
    end(it)
    assert causes(it.bench) == [cause]
    assert it.bench.state.gesture is None
    assert it.bench.state.hold is None
    if it.bench.phases[THORACIC] in (Phase.COCKING, Phase.ARMED):
        assert it.bench.beat == (False, False)
    verbs = it.verbs
    it.bench.phases[THORACIC], it.bench.phases[LUMBAR] = Phase.COCKED, Phase.LOCKED
    it.bench.heard_for(2 * S)
    it.bench.status(hold_pressed=True)
    it.bench.heard_for(2 * S)
    assert it.verbs == verbs
    assert causes(it.bench) == [cause]


def test_a_slow_link_ends_the_hold_and_leaves_the_series() -> None:
    it = Adjustment()
    it.to_armed()
    it.bench.take(ev.RoundTrip(ROUND_TRIP_MAX_US))
    assert it.bench.state.gesture is None
    assert it.bench.beat == (False, False)
    it.bench.take(ev.RoundTrip(1 * MS))
    assert it.bench.beat == (False, False), "it is armed still, and nobody holds"
    assert causes(it.bench) == []


def test_the_window_is_over_to_the_microsecond() -> None:
    it = Adjustment(pedal=True)
    it.passes(WINDOW_US - 1)
    assert causes(it.bench) == []
    it.bench.later(1)
    assert causes(it.bench) == ["window over"]


def test_one_reason_against_ends_the_hold_and_the_page_is_told_all() -> None:
    it = Adjustment()
    it.to_cocked()
    it.passes(400 * MS)
    it.bench.status(air_low=True, supply_low=True)
    it.passes(200 * MS)
    (told,) = [told for told in it.bench.told() if told.over is Over.REFUSED]
    assert [reason.code for reason in told.reasons] == ["SUPPLY_LOW", "AIR_LOW"]
    assert it.verbs == [Verb.COCK]


@pytest.mark.parametrize("armed", [False, True])
def test_what_the_board_refuses_ends_the_hold(*, armed: bool) -> None:
    it = Adjustment()
    if armed:
        it.to_cocked()
        it.passes(500 * MS)
    else:
        it.press()
        it.passes(500 * MS)
    it.bench.result(it.bench.ever(do.SendCommand)[-1].cmd_id, 16)
    assert it.bench.over() == [Over.REFUSED]
    verbs = it.verbs
    it.bench.heard_for(2 * S)
    assert it.verbs == verbs


# The pedal


def test_a_pedal_without_a_series_does_nothing() -> None:
    bench = Bench().ready(Phase.LOCKED)
    bench.status(hold_pressed=True)
    bench.heard_for(2 * S)
    assert bench.state.gesture is None
    assert bench.ever(do.SendCommand) == []


def test_a_pedal_that_was_down_when_the_series_began_is_no_press() -> None:
    bench = Bench().ready(Phase.LOCKED)
    bench.status(hold_pressed=True)
    bench.ask(OWN)
    bench.heard_for(2 * S)
    assert bench.ever(do.SendCommand) == []
    bench.status(hold_pressed=False)
    bench.status(hold_pressed=True)
    bench.heard_for(500 * MS)
    assert len(bench.ever(do.SendCommand)) == 1


def test_a_pedal_that_was_down_when_the_board_came_back_is_no_press() -> None:
    bench = Bench().ready(Phase.LOCKED)
    bench.take(ev.WentStale())
    bench.status()
    bench.heard_for(1 * S)
    assert bench.ask(OWN) == ()
    bench.take(ev.WentStale())
    bench.status(hold_pressed=True)
    bench.heard_for(1 * S)
    assert bench.state.gesture is None


def test_a_pedal_that_is_pressed_against_a_reason_is_not_kept_for_later() -> None:
    it = Adjustment(pedal=True)
    it.bench.status(air_low=True)
    it.bench.status(hold_pressed=True)
    assert it.bench.state.gesture is None
    it.bench.status(air_low=False)
    it.passes(2 * S)
    assert it.verbs == []


def test_a_pedal_that_an_old_event_tells_of_moves_nothing() -> None:
    it = Adjustment(pedal=True)
    it.bench.event(1, 15, 0xFF, a=1)
    it.passes(2 * S)
    assert it.verbs == []


def test_a_pedal_that_goes_down_beside_a_finger_holds_nothing_on() -> None:
    it = Adjustment()
    it.to_cocking()
    it.bench.status(hold_pressed=True)
    it.let_go()
    assert it.bench.beat == (False, False)
    it.bench.phase(THORACIC, Phase.HALTED)
    for _ in range(3):
        it.bench.take(ev.Alive(PAGE))
        it.bench.heard_for(1 * S)
    assert it.verbs == [Verb.COCK]


def test_a_foot_that_comes_down_beside_a_finger_takes_nothing_over_from_it() -> None:
    it = Adjustment()
    it.press()
    it.passes(200 * MS)
    it.bench.status(hold_pressed=True)
    it.let_go()
    it.passes(2 * S)
    assert it.verbs == []


# Starting


def test_a_series_is_started_by_the_holder_of_the_lease_and_moves_nothing() -> None:
    bench = Bench().ready(Phase.LOCKED)
    assert bench.refused(OWN, BOB) == ["LEASE_HELD"]
    assert bench.ask(OWN) == ()
    record = bench.one(do.Record)
    assert (record.kind, record.actor, record.section) == ("series_started", ANN, THORACIC)
    assert record.data == {
        "series": "own",
        "preset": None,
        "drops": 2,
        "window_s": 15,
        "tension_n": 150,
        "load_n": 80,
    }
    assert bench.refused(OWN) == ["SERIES_RUNNING"]
    bench.heard_for(3 * S)
    assert bench.ever(do.SendCommand) == []


def test_a_series_that_could_not_go_on_is_not_started() -> None:
    bench = Bench().ready(Phase.LOCKED)
    bench.status(air_low=True)
    assert "AIR_LOW" in bench.refused(OWN)
    bench.phase(THORACIC, Phase.LOWERING)
    assert "PHASE" in bench.refused(OWN)


def test_a_series_is_held_on_at_its_own_section_alone() -> None:
    bench = Bench().ready(Phase.LOCKED)
    bench.ask(ev.TakeLease(PAGE))
    for at in (THORACIC, LUMBAR):
        assert "SERIES_NONE" in [r.code for r in bench.press(Control.SERIES, at).reasons]
    bench.ask(OWN)
    assert "SERIES_NONE" in [r.code for r in bench.press(Control.SERIES, LUMBAR).reasons]
    bench.pressed(Control.SERIES)


def test_there_is_no_series_to_end() -> None:
    assert Bench().ready().refused(ev.EndSeries()) == ["SERIES_NONE"]


# Presets and tension


def preset(bench: Bench) -> list[str]:
    against = bench.ask(ev.StartSeries("abc", "three"))
    return [] if against is None else [reason.code for reason in against]


def test_a_preset_names_section_drops_and_window() -> None:
    bench = Bench().ready(Phase.LOCKED)
    assert preset(bench) == []
    series = bench.state.series
    assert series is not None
    assert (series.section, series.drops, series.preset) == (THORACIC, 3, "three")
    assert series.until_us == bench.now_us + 60 * S
    assert [type(effect) for effect in bench.did] == [do.Record, do.Answer]


def test_a_preset_that_is_not_there_is_refused() -> None:
    bench = Bench().ready(Phase.LOCKED)
    assert bench.refused(ev.StartSeries("abc", "four")) == ["PRESET_UNKNOWN"]


def changed(bench: Bench, **section: object) -> None:
    sections: tuple[SectionState, ...] = bench.state.sections
    thoracic = replace(sections[0], **section)  # type: ignore[arg-type]
    bench.state = replace(bench.state, sections=(thoracic, sections[1], sections[2]))


@pytest.mark.parametrize(
    ("off_dn", "fits"), [(-301, False), (-300, True), (300, True), (301, False)]
)
def test_a_preset_sets_no_tension_and_is_refused_when_another_is_set(
    off_dn: int, *, fits: bool
) -> None:
    bench = Bench().ready(Phase.LOCKED)
    state: State = bench.state
    values = {**state.params.values, (0, TENSION_SET_KEY): 1500 + off_dn}
    bench.state = replace(state, params=replace(state.params, values=values))
    assert ("SERIES_TENSION" not in preset(bench)) is fits
    assert bench.found(do.SendParamSet) == []


def test_a_preset_needs_to_know_what_lies_there() -> None:
    bench = Bench().ready(Phase.LOCKED)
    changed(bench, load_dn=None)
    assert "SERIES_LOAD" in preset(bench)


# Leg lengths


LEFT = LegLength("left", 5_000)


def test_a_leg_length_is_kept_before_the_first_drop_and_after_the_end() -> None:
    it = Adjustment(drops=1)
    assert it.bench.refused(ev.NoteLegLength(after=True, found=LEFT)) == ["LEG_TIME"]
    assert it.bench.ask(ev.NoteLegLength(after=False, found=LEFT)) == ()
    record = it.bench.one(do.Record)
    assert record.kind == "leg_length"
    assert record.data == {"series": "own", "when": "before", "shorter": "left", "millimetres": 5}
    it.to_dropped()
    assert it.bench.refused(ev.NoteLegLength(after=False, found=LEFT)) == ["LEG_TIME"]
    assert it.bench.ask(ev.NoteLegLength(after=True, found=LegLength("neither", 0))) == ()
    series = it.bench.state.series
    assert series is not None
    assert (series.before, series.after) == (LEFT, LegLength("neither", 0))


def test_a_leg_length_without_a_series_is_refused() -> None:
    bench = Bench().ready()
    assert bench.refused(ev.NoteLegLength(after=False, found=LEFT)) == ["SERIES_NONE"]
