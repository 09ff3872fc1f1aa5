"""What was recorded comes out the same when it is played again; what was changed is found."""

import json
from pathlib import Path

import pytest

from droptable.blackbox.recording import error_text
from droptable.blackbox.replay import STATE
from droptable.core.effects import Effect
from droptable.core.events import Asked, Event, StopAsked, TimePassed
from droptable.core.model import State
from droptable.core.step import step
from droptable.daemon import runner
from tests.blackbox.recorded import (
    NOON,
    lines_of,
    one_drop,
    played,
    put,
    recorded,
    recorder,
    replayed,
    segment_of_one_drop,
    steps_of_one_drop,
)
from tests.daemon.practice import Practice


@pytest.mark.parametrize("seed", range(3))
def test_a_drop_and_a_stop_come_out_the_same_byte_for_byte(tmp_path: Path, seed: int) -> None:
    box = recorder(tmp_path)
    played(one_drop, box.saw, seed)
    box.close(20)
    assert box.finding is None
    (again,) = replayed(tmp_path)
    assert again.same
    assert again.steps > 500
    assert (again.utc, again.lost, again.difference) == (NOON.isoformat(), None, None)
    text = "\n".join(lines_of(next(tmp_path.iterdir()).read_bytes()))
    assert all(word in text for word in ("SendCommand", "SendStop", "SendEventAck", "drop"))


def test_the_recording_holds_every_step_in_order(tmp_path: Path) -> None:
    steps = steps_of_one_drop()
    (path,) = recorded(steps, tmp_path)
    lines = [json.loads(line) for line in lines_of(path.read_bytes())]
    assert len(lines) == len(steps) + 1
    assert [line[1][0] for line in lines[1:]] == [type(step[1]).__name__ for step in steps]
    assert sum(line[0] for line in lines[1:]) == steps[-1][2] - steps[0][2]


def test_the_first_step_that_differs_is_named(tmp_path: Path) -> None:
    lines = lines_of(segment_of_one_drop())
    at = next(i for i, line in enumerate(lines) if "SendStop" in line)
    lines[at] = lines[at].replace('["SendStop",[', '["SendStop",[1')
    (again,) = replayed(put(tmp_path, lines))
    found = again.difference
    assert found is not None
    assert not again.same
    assert found.step == again.steps == at - 1
    assert found.event == repr(StopAsked("page"))
    assert "SendStop" in found.expected
    assert "SendStop" in found.got
    assert found.expected != found.got
    assert found.now_us == steps_of_one_drop()[at - 1][2]


@pytest.mark.parametrize("lost", ["effects", "event"])
def test_an_effect_or_an_event_that_is_missing_is_found(tmp_path: Path, lost: str) -> None:
    lines = lines_of(segment_of_one_drop())
    at = next(i for i, line in enumerate(lines) if "TakeLease" in line)
    if lost == "event":
        del lines[at]
    else:
        lines[at] = json.dumps(json.loads(lines[at])[:2])
    (again,) = replayed(put(tmp_path, lines))
    assert again.difference is not None


def test_a_time_that_was_changed_is_found(tmp_path: Path) -> None:
    """Time decides: here whether the lease had expired before the STOP."""
    lines = lines_of(segment_of_one_drop())
    at = next(i for i, line in enumerate(lines) if "SendStop" in line)
    since_us, *rest = json.loads(lines[at])
    lines[at] = json.dumps([since_us + 10_000_000, *rest])
    (again,) = replayed(put(tmp_path, lines))
    assert again.difference is not None
    assert "lease_ended" in again.difference.got


def test_a_step_that_failed_fails_again(tmp_path: Path) -> None:
    before, _, now_us, _ = steps_of_one_drop()[-1]
    unheard_of = Asked(1, "dr", TimePassed())  # type: ignore[arg-type]
    steps = ((before, TimePassed(), now_us, ValueError("so")), (before, unheard_of, now_us, ()))
    (path,) = recorded(steps[:1], tmp_path)
    (again,) = replayed(path)
    assert again.difference is not None
    assert again.difference.expected == json.dumps(error_text(ValueError("so")))
    assert again.difference.got == "[]"


def test_the_step_that_ended_a_daemon_is_the_last_of_its_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(state: State, event: Event, now_us: int) -> tuple[State, tuple[Effect, ...]]:
        if type(event) is StopAsked:
            raise RuntimeError("so")
        return step(state, event, now_us)

    async def until_it_breaks(practice: Practice) -> None:
        await practice.live()
        with pytest.raises(RuntimeError, match="so"):
            practice.gateway.stop("page")
        await practice.until(lambda: practice.broke is not None)
        practice.forget_what_broke()

    monkeypatch.setattr(runner, "step", fails)
    box = recorder(tmp_path)
    played(until_it_breaks, box.saw)
    box.close(20)
    lines = [json.loads(line) for line in lines_of(next(tmp_path.iterdir()).read_bytes())]
    (stopped,) = (line for line in lines[1:] if line[1][0] == "StopAsked")
    assert stopped[1:] == [["StopAsked", ["page"]], None, "RuntimeError: so"]
    (again,) = replayed(tmp_path)
    assert again.difference is not None
    assert "SendStop" in again.difference.got


def test_a_segment_must_begin_with_what_the_one_before_led_to(tmp_path: Path) -> None:
    steps = steps_of_one_drop()
    half = len(steps) // 2
    box = recorder(tmp_path)
    for one in steps[:half]:
        box.saw(*one)
    box._hand_over(steps[half][2])
    box._under_way = False
    for one in steps[half:]:
        box.saw(*one)
    box.close(20)
    first, second = replayed(tmp_path)
    assert first.same
    assert second.same
    assert first.steps + second.steps == len(steps)
    path = tmp_path / second.file
    head, *rest = lines_of(path.read_bytes())
    changed = json.loads(head)
    changed["state"][-1] = 4242 if isinstance(changed["state"][-1], int) else 0
    head_before = json.loads(head)["state"]
    assert changed["state"] != head_before
    put(tmp_path, [json.dumps(changed), *rest], int(second.file.split(".")[0]))
    _, again = replayed(tmp_path)
    assert again.difference is not None
    assert again.difference.event == STATE
    # By itself nothing of that can be seen here, but that it comes out otherwise.
    assert replayed(path)[0].difference is None or replayed(path)[0].difference.event != STATE


def test_another_program_s_recording_is_refused(tmp_path: Path) -> None:
    head, *rest = lines_of(segment_of_one_drop())
    for name, value in (("program", "9.9.9"), ("shape", "0-0-0")):
        path = put(tmp_path, [json.dumps({**json.loads(head), name: value}), *rest])
        (again,) = replayed(path)
        assert again.problem is not None
        assert again.problem.problem.code == "RECORDING_FOREIGN"
        assert value in str(again.problem)
        assert again.steps == 0


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["{}"],
        ["[]"],
        ["no json"],
        ['{"schema":"black-box/2"}'],
    ],
)
def test_what_is_no_recording_is_told(tmp_path: Path, lines: list[str]) -> None:
    (again,) = replayed(put(tmp_path, lines))
    assert again.problem is not None
    assert again.problem.problem.code == "RECORDING_UNREADABLE"


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "{}",
        "[1]",
        '["x",["TimePassed",[]]]',
        '[1,["Nothing",[]]]',
        '[1,["TimePassed",[]],[],1,2]',
        '[1,["StopAsked",[5]]]',
        '[1,[["TimePassed"],[]]]',
    ],
)
def test_a_line_that_is_no_step_is_told_after_all_before_it(tmp_path: Path, line: str) -> None:
    lines = lines_of(segment_of_one_drop())
    (again,) = replayed(put(tmp_path, [*lines[:100], line, *lines[100:]]))
    assert again.problem is not None
    assert again.problem.problem.code == "RECORDING_UNREADABLE"
    assert again.steps == 99


def test_a_head_without_its_parts_is_told(tmp_path: Path) -> None:
    lines = lines_of(segment_of_one_drop())
    head = json.loads(lines[0])
    for name in ("run", "step", "utc", "now_us", "state"):
        less = {key: value for key, value in head.items() if key != name}
        (again,) = replayed(put(tmp_path, [json.dumps(less), *lines[1:]]))
        assert again.problem is not None
        assert not again.same
