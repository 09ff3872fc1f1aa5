"""Parameters: read, written while the board takes them, proven by its CRC, and with an end to it."""

import pytest

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.limits import (
    OPTIONAL_KEYS,
    PARAM_TRIES_MAX,
    PARAM_WAIT_US,
    TENSION_SET_KEY,
    WRITE_ROUNDS_MAX,
)
from droptable.core.model import Phase, Provision, Verb
from droptable.core.provision import EVERY, RESTING
from tests.core.bench import (
    COMPLETE,
    CONFIGURED,
    LIMITS,
    LUMBAR,
    MS,
    TENSIONS,
    THORACIC,
    Bench,
    S,
    board,
    settings,
)

ONE = (0, 1)
"""A parameter that every board has."""


def meet(values: dict[tuple[int, int], int], *phases: Phase) -> Bench:
    """A board with `values`, heard for the first time."""
    bench = Bench()
    bench.values = dict(values)
    bench.phases = [*phases, *bench.phases][:3]
    bench.open()
    bench.status()
    return bench


def stage(bench: Bench) -> Provision:
    return bench.state.params.stage


def written(bench: Bench) -> dict[tuple[int, int], int]:
    return {(sent.section, sent.key): sent.value for sent in bench.ever(do.SendParamSet)}


def asked(bench: Bench) -> do.SendParamGet | do.SendParamSet:
    return next(e for e in bench.did if isinstance(e, do.SendParamGet | do.SendParamSet))


def up_to_writing(*phases: Phase) -> Bench:
    """A board with one wrong value, at the moment when it is to be written."""
    bench = meet({**COMPLETE, ONE: 999}, *phases)
    for _ in EVERY:
        bench.answer_param(asked(bench))
    return bench


def reopen(bench: Bench) -> None:
    """What a shell does when it is asked for a new session."""
    assert bench.one(do.ReopenSession) is not None
    bench.take(ev.SessionOver())
    bench.open()
    bench.status()


def test_a_complete_board_is_read_once_and_proven_without_a_write() -> None:
    bench = meet(COMPLETE)
    bench.answer_params()
    assert stage(bench) is Provision.PROVEN
    assert [(get.section, get.key) for get in bench.ever(do.SendParamGet)] == list(EVERY)
    assert bench.ever(do.SendParamSet) == []
    # The next session's CRC is that of what is known: nothing is read.
    bench.open()
    bench.status()
    assert stage(bench) is Provision.PROVEN
    assert len(bench.ever(do.SendParamGet)) == len(EVERY)


def test_an_empty_board_is_given_everything_and_the_middle_of_each_tension() -> None:
    bench = meet({})
    bench.answer_params()
    tensions = dict.fromkeys(TENSIONS, LIMITS.tension_middle_dn)
    assert written(bench) == {**CONFIGURED, **tensions}
    assert stage(bench) is Provision.PROVING
    assert bench.ever(do.Record)[-1].kind == "params_written"
    reopen(bench)
    assert stage(bench) is Provision.PROVEN


def test_only_what_differs_is_written_and_no_tension_that_the_board_has() -> None:
    bench = up_to_writing()
    bench.answer_params()
    assert written(bench) == {ONE: CONFIGURED[ONE]}
    reopen(bench)
    assert stage(bench) is Provision.PROVEN


def test_nothing_is_proven_by_writing_alone() -> None:
    bench = up_to_writing()
    bench.answer_params()
    bench.status()
    assert stage(bench) is Provision.PROVING
    bench.ask(ev.TakeLease())
    assert "PARAMS_DIFFER" in bench.refused(ev.Do(Verb.COCK, THORACIC))


@pytest.mark.parametrize("phase", Phase)
def test_a_board_is_written_to_only_while_every_section_rests(phase: Phase) -> None:
    bench = up_to_writing(Phase.LOCKED, phase)
    if phase in RESTING:
        assert stage(bench) is Provision.WRITING
        return
    assert stage(bench) is Provision.WAITING
    bench.heard_for(1 * S)
    assert bench.ever(do.SendParamSet) == []
    bench.phase(LUMBAR, Phase.LOCKED)
    assert len(bench.found(do.SendParamSet)) == 1


def test_a_tension_can_be_set_while_the_rest_waits_and_proves_nothing_wrong() -> None:
    bench = up_to_writing(Phase.COCKED)
    bench.ask(ev.TakeLease())
    bench.take(ev.RoundTrip(1 * MS))
    bench.heard_for(1 * S)
    assert bench.ask(ev.SetTension(THORACIC, 1777)) is None
    sent = bench.one(do.SendParamSet)
    bench.phase(THORACIC, Phase.LOCKED)
    assert bench.found(do.SendParamSet) == [], "a person's tension goes first"
    bench.answer_param(sent)
    assert bench.found(do.Answer)[0].reasons == ()
    bench.answer_params()
    reopen(bench)
    assert stage(bench) is Provision.PROVEN
    assert bench.values[THORACIC, TENSION_SET_KEY] == 1777


def test_a_tension_is_set_neither_while_reading_nor_while_writing() -> None:
    bench = meet({**COMPLETE, ONE: 999})
    bench.ask(ev.TakeLease())
    bench.take(ev.RoundTrip(1 * MS))
    bench.now_us += 140 * MS
    bench.status()
    bench.later(20 * MS)
    assert stage(bench) is Provision.READING
    assert bench.refused(ev.SetTension(THORACIC, 777)) == ["PARAMS_DIFFER"]


def test_a_board_that_says_not_now_is_asked_again_later_and_not_at_once() -> None:
    bench = up_to_writing()
    bench.result(asked(bench).cmd_id, 1)
    assert stage(bench) is Provision.WAITING
    bench.heard_for(PARAM_WAIT_US - 1)
    assert bench.found(do.SendParamSet) == []
    bench.heard_for(1)
    assert len(bench.found(do.SendParamSet)) == 1


def test_a_lost_answer_is_asked_for_again_with_a_new_number() -> None:
    bench = meet(COMPLETE)
    first = asked(bench)
    bench.heard_for(PARAM_WAIT_US - 1)
    assert bench.found(do.SendParamGet) == []
    bench.later(1)
    again = bench.one(do.SendParamGet)
    assert (again.section, again.key) == (first.section, first.key)
    assert again.cmd_id != first.cmd_id
    # The late answer is as good, and the second one then asks for nothing.
    bench.answer_param(first)
    following = bench.one(do.SendParamGet)
    assert (following.section, following.key) == EVERY[1]
    bench.answer_param(again)
    assert bench.did == ()
    bench.answer_param(following)
    assert (asked(bench).section, asked(bench).key) == EVERY[2]


@pytest.mark.parametrize("writing", [False, True], ids=["reading", "writing"])
def test_a_board_that_never_answers_is_not_asked_for_ever(writing: bool) -> None:
    bench = up_to_writing() if writing else meet(COMPLETE)
    kind = do.SendParamSet if writing else do.SendParamGet
    before = len(bench.ever(kind))
    bench.heard_for(2 * PARAM_TRIES_MAX * PARAM_WAIT_US)
    assert stage(bench) is Provision.DIFFERENT
    assert len(bench.ever(kind)) - before == PARAM_TRIES_MAX - 1


@pytest.mark.parametrize("code", [2, 3, 4, 6, 8, 11, 14, 99])
def test_a_value_that_the_board_refuses_leaves_it_different(code: int) -> None:
    bench = up_to_writing()
    bench.result(asked(bench).cmd_id, code)
    assert stage(bench) is Provision.DIFFERENT
    bench.heard_for(1 * S)
    assert len(bench.ever(do.SendParamSet)) == 1
    bench.ask(ev.TakeLease())
    bench.take(ev.RoundTrip(1))
    assert bench.refused(ev.Do(Verb.COCK, THORACIC)) == ["PARAMS_DIFFER"]


def test_a_value_that_the_board_changes_leaves_it_different() -> None:
    bench = up_to_writing()
    sent = asked(bench)
    bench.take(ev.ParamHeard(sent.cmd_id, sent.section, sent.key, 4711))
    assert stage(bench) is Provision.DIFFERENT


@pytest.mark.parametrize("key", range(1, 16))
@pytest.mark.parametrize("code", [9, 10])
def test_a_board_may_lack_only_what_it_need_not_have(key: int, code: int) -> None:
    bench = meet({at: value for at, value in COMPLETE.items() if at[1] != key})
    for _ in range(len(EVERY)):
        if not (gets := bench.found(do.SendParamGet)):
            break
        if gets[0].key == key:
            bench.result(gets[0].cmd_id, code)
        else:
            bench.answer_param(gets[0])
    expected = Provision.PROVEN if key in OPTIONAL_KEYS else Provision.DIFFERENT
    assert stage(bench) is expected
    assert bench.ever(do.SendParamSet) == []


def test_a_board_with_parameters_that_nobody_knows_is_never_proven() -> None:
    bench = Bench()
    bench.open(board({**COMPLETE, (0, 99): 1}))
    bench.status()
    bench.answer_params()
    assert stage(bench) is Provision.DIFFERENT
    bench.heard_for(1 * S)
    assert len(bench.ever(do.SendParamGet)) == len(EVERY)


def test_a_board_that_forgets_what_it_is_told_is_not_told_for_ever() -> None:
    bench = up_to_writing()
    for _ in range(WRITE_ROUNDS_MAX):
        bench.answer_params()
        bench.values[ONE] = 999
        reopen(bench)
        bench.answer_params()
    assert stage(bench) is Provision.DIFFERENT
    assert len(bench.ever(do.ReopenSession)) == WRITE_ROUNDS_MAX
    # After a restart it has another chance.
    bench.open(board(bench.values, boot_id=2), restarted=True)
    bench.status()
    bench.answer_params()
    assert bench.ever(do.ReopenSession)[WRITE_ROUNDS_MAX:] != []


def test_a_foreign_board_is_neither_read_nor_written_nor_moved() -> None:
    bench = Bench(settings("OTHER001"))
    bench.values = {}
    bench.open()
    bench.status()
    bench.ask(ev.TakeLease())
    bench.take(ev.RoundTrip(1))
    bench.heard_for(1 * S)
    assert bench.refused(ev.Do(Verb.COCK, THORACIC)) == ["BOARD_FOREIGN", "PARAMS_DIFFER"]
    assert bench.refused(ev.SetTension(THORACIC, 1000)) == ["BOARD_FOREIGN", "PARAMS_DIFFER"]
    assert bench.ever(do.SendParamGet) == []
    assert bench.ever(do.SendParamSet) == []
    assert bench.ever(do.SendCommand) == []


def test_what_one_board_has_not_is_not_believed_of_another() -> None:
    without = {at: value for at, value in COMPLETE.items() if at[1] not in OPTIONAL_KEYS}
    bench = meet(without)
    while gets := bench.found(do.SendParamGet):
        if gets[0].key in OPTIONAL_KEYS:
            bench.result(gets[0].cmd_id, 10)
        else:
            bench.answer_param(gets[0])
    assert stage(bench) is Provision.PROVEN
    bench.open(board(without, hw_id="BENCH002"))
    bench.status()
    bench.answer_params()
    assert written(bench).keys() == COMPLETE.keys() - without.keys()


def test_a_silence_in_the_middle_costs_nothing_but_time_and_nobody_spins() -> None:
    bench = meet(COMPLETE)
    first = asked(bench)
    bench.take(ev.WentStale())
    assert bench.later(5 * S) == ()
    bench.status()
    again = bench.one(do.SendParamGet)
    assert (again.section, again.key) == (first.section, first.key)
    bench.answer_params()
    assert stage(bench) is Provision.PROVEN


def test_a_lost_session_begins_anew() -> None:
    bench = up_to_writing()
    bench.take(ev.SessionOver())
    bench.open()
    bench.status()
    bench.answer_params()
    reopen(bench)
    assert stage(bench) is Provision.PROVEN


def test_a_tension_that_came_by_another_way_is_not_written_over() -> None:
    bench = meet(
        {at: value for at, value in COMPLETE.items() if at != (0, TENSION_SET_KEY)} | {ONE: 9}
    )
    while stage(bench) is Provision.READING:
        bench.answer_param(asked(bench))
    bench.values[0, TENSION_SET_KEY] = 4000
    sent = asked(bench)
    bench.take(ev.ParamHeard(4711, 0, TENSION_SET_KEY, 4000))
    bench.answer_param(sent)
    bench.answer_params()
    assert written(bench) == {ONE: CONFIGURED[ONE]}
    assert bench.state.params.values[0, TENSION_SET_KEY] == 4000


def test_the_answer_to_a_command_is_waited_for_before_a_session_is_given_up() -> None:
    bench = up_to_writing(Phase.UNKNOWN)
    sent = asked(bench)
    bench.take(ev.RoundTrip(1))
    bench.heard_for(160 * MS)
    home = bench.sent(ev.Do(Verb.HOME, THORACIC))
    bench.answer_param(sent)
    assert bench.found(do.ReopenSession) == []
    bench.result(home.cmd_id)
    assert bench.one(do.Answer).reasons == ()
    assert len(bench.found(do.ReopenSession)) == 1


def test_what_waits_to_be_written_waits_in_peace_while_the_board_is_silent() -> None:
    bench = up_to_writing(Phase.COCKED)
    assert stage(bench) is Provision.WAITING
    bench.take(ev.WentStale())
    assert bench.later(5 * S) == ()
    bench.phase(THORACIC, Phase.LOCKED)
    assert len(bench.found(do.SendParamSet)) == 1
