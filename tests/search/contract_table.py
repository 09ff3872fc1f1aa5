"""The lines, the stop and the host of a table: what each move may change about them."""

from collections.abc import Iterator

from droptable.board.model import (
    Ask,
    Beat,
    Lost,
    Opened,
    Stop,
    Verb,
)
from tests.search.board_world import (
    MS,
    Asked,
    Taken,
)
from tests.search.contract_change import accepted


def of_table(taken: Taken) -> Iterator[str]:
    """What is wrong with the table after a move: its lines, its stop, its host."""
    yield from _of_lines(taken)
    yield from _of_stop(taken)
    yield from _of_host(taken)


def _ask(taken: Taken) -> Ask | None:
    return taken.move.ask if isinstance(taken.move, Asked) else None


def _of_lines(taken: Taken) -> Iterator[str]:
    was, now, inputs = taken.before.board, taken.after.board, taken.after.inputs
    if inputs.estop_open and not now.estop.active:
        yield "an open e-stop chain is not believed"
    if inputs.stop_button and not now.button.active:
        yield "a pressed stop button is not believed"
    if not inputs.pedal_down and now.pedal.active:
        yield "a released pedal counts as pressed"
    for name in ("estop", "button", "pedal"):
        before, after = getattr(was, name), getattr(now, name)
        allows = after.active if name == "pedal" else not after.active
        since_us = before.changing_since_us
        quiet = since_us is not None and taken.after.now_us - since_us >= 10 * MS
        if before.active != after.active and allows and not quiet:
            yield f"the contact of the {name} that allows more is believed too soon"


def _of_stop(taken: Taken) -> Iterator[str]:
    was, now, ask = taken.before.board, taken.after.board, _ask(taken)
    lines = now.estop.active or now.button.active
    if was.stopped and not now.stopped and not accepted(taken, Verb.RESET_STOP):
        yield "a stop was reset and nobody commanded it"
    if isinstance(ask, Stop) and not now.stopped:
        yield "a STOP is not latched"
    if now.stopped and not was.stopped and not (isinstance(ask, Stop) or lines):
        yield "a stop without a cause"


def _of_host(taken: Taken) -> Iterator[str]:
    was, now, ask = taken.before.board, taken.after.board, _ask(taken)
    if isinstance(ask, Beat) and was.host_live:
        if (now.lease, now.beat_hold) != (ask.lease, ask.hold):
            yield "a BEAT does not count"
    elif (now.lease and not was.lease) or (now.beat_hold and not was.beat_hold):
        yield "a lease or a hold without a BEAT"
    if now.host_live and not was.host_live and not isinstance(ask, Opened):
        yield "a host came to life without a HELLO"
    if isinstance(ask, Lost) and (now.host_live or any(s.outputs.driven for s in now.sections)):
        yield "something is driven although the host is lost"
    if isinstance(ask, Opened) and (now.lease or now.beats or now.maintenance):
        yield "a new session begins with what the last one had"
    if now.maintenance and not was.maintenance and not accepted(taken, Verb.MAINTENANCE):
        yield "maintenance without a command"
