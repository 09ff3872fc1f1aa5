"""The board's law: what the table's coils do, given its switches and what a host asks. Pure.

Think of each section as a weight on a pin. The *pin* is the safety: a spring drives it in, power
withdraws it, and while it is in nothing falls. The *lift* raises the section, the *lowering valve*
lets it down, and without either it stays where it is. At the top, with the pin out, only the
*tension* holds it, until a thrust is stronger. All outputs off is therefore safe at every height,
and every surprise in this file ends there.

A section's life is a short loop. LOCKED at the bottom, it is COCKING while the lift runs under a
person's hold, SECURING while the pin goes in, and COCKED. ARMED, its pin is withdrawn for a
window; a thrust makes it DROPPING, the bottom DROPPED, the pin LOCKED again. Without a thrust it is
SECURING, then COCKED. LOWERING is the way down without a drop. HALTED is somewhere in between, after
a hold was released; FAULT is a finding that a person has to clear; UNKNOWN is everything that the
switches have not proven, and the beginning.

Four things move a section from phase to phase, and nothing else does:

- a verb of the host, if `verbs.py` has nothing against it (`BEGINS` says where it leads);
- its own switches and time, by the rows of `rows.py`, of which the first that applies is taken;
- a fault, by the conditions of `faults.py`, from any phase, the first cause kept;
- STOP, the e-stop or the local button, by `AFTER_STOP`.

No row, verb or fault drives an output directly: outputs follow from the phase (`outputs_for`), and
only ARMED, COCKING, LOWERING and a DROPPING that came from ARMED have any. There is no verb that
releases a section.

`step` is a function of its arguments. It says when it wants to be called again; being called
earlier does no harm, later makes deadlines late but never forgotten. The caller calls it at each
raw edge of an input with the edge's own time, so that time stamps are as good as the caller's clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from droptable.board.asks import aim_tension, finish_tare, take
from droptable.board.drops import finish_traces
from droptable.board.event_buffer import EventBuffer
from droptable.board.faults import self_test_fails
from droptable.board.model import (
    TABLE,
    Answer,
    Ask,
    Fault,
    Feature,
    Inputs,
    Kind,
    LoadHistory,
    Outputs,
    Phase,
    SectionInputs,
)
from droptable.board.params import Params
from droptable.board.phases import drive, fail, run_faults, run_rows
from droptable.board.reporting import report, wake_us
from droptable.board.sensing import sense, sense_table
from droptable.board.state import Line, SectionState, State, outputs_of
from droptable.board.switches import Switch
from droptable.board.turn import SECTIONS, Turn


@dataclass(frozen=True, slots=True)
class Step:
    """What a step gives: the state to keep, what to drive, what to send, when to call again."""

    state: State
    outputs: Outputs
    answers: tuple[Answer, ...]
    wake_us: int | None


def step(
    state: State, inputs: Inputs, asks: Iterable[Ask], now_us: int, loads: LoadHistory
) -> Step:
    """What follows from `state` when at `now_us` the sensors say `inputs` and the host `asks`.

    `now_us` never goes back. Asks are taken in order, after the sensors, before time's own rows.
    """
    turn = Turn(state, inputs, now_us, loads)
    sense(turn)
    for ask in asks:
        take(turn, ask)
    run_rows(turn)
    drive(turn)
    run_faults(turn)
    finish_traces(turn)
    finish_tare(turn)
    report(turn, before=state)
    return Step(turn.board, outputs_of(turn.board), tuple(turn.answers), wake_us(turn))


def boot(
    *,
    boot_id: int,
    reset_cause: int,
    features: Feature,
    params: Params | None,
    inputs: Inputs,
    now_us: int,
) -> State:
    """The board as it wakes: every section UNKNOWN, nothing driven, nothing believed.

    `params` are the stored ones; None, or values that could never have been set, mean that their
    store is damaged, which is a FAULT until they have been written again. A table whose e-stop
    chain is open wakes stopped.
    """
    sound = params is not None and params.sound()
    kept = params.of_board(features) if params is not None and sound else Params()
    turn = Turn(
        State(
            boot_id=boot_id,
            reset_cause=reset_cause,
            features=features,
            params=kept,
            params_complete=kept.complete(features),
            sections=_sections_at_boot(inputs, now_us),
            events=EventBuffer().add(Kind.BOOTED, now_us, TABLE, a=reset_cause),
            estop=Line(),
            button=Line(),
            pedal=Line(),
        ),
        inputs,
        now_us,
        _NoHistory(),
    )
    for at in SECTIONS:
        aim_tension(turn, at)
        if self_test_fails(turn.view(at)):
            fail(turn, at, Fault.SELF_TEST)
        elif not sound:
            fail(turn, at, Fault.PARAMS)
    sense_table(turn)
    drive(turn)
    return turn.board


def _sections_at_boot(
    inputs: Inputs, now_us: int
) -> tuple[SectionState, SectionState, SectionState]:
    thoracic, lumbar, pelvic = (_section_at_boot(sensed, now_us) for sensed in inputs.sections)
    return thoracic, lumbar, pelvic


def _section_at_boot(sensed: SectionInputs, now_us: int) -> SectionState:
    return SectionState(
        phase=Phase.UNKNOWN,
        up=Switch.at_boot(sensed.up, now_us),
        down=Switch.at_boot(sensed.down, now_us),
        pin=Switch.at_boot(sensed.pin, now_us),
        entered_us=now_us,
    )


class _NoHistory:
    """The loads before there were any."""

    def window(
        self, _section: int, from_us: int, to_us: int, step_us: int, /
    ) -> tuple[int | None, ...]:
        return (None,) * len(range(from_us, to_us, step_us))
