"""The link's part: sessions begin and end, and the board is believed or not. Pure.

Whenever it cannot be believed every section becomes UNKNOWN, every hold ends and every command that
is under way has failed. What is kept is what is past, and whom people are waiting for.
"""

from dataclasses import replace

from droptable.core import (
    event_log,
    findings,
    gestures,
    provision,
    series,
    stopping,
    tensions,
    wear,
)
from droptable.core.board_events import Data
from droptable.core.commands import give_up
from droptable.core.events import (
    LinkNews,
    LinkTrouble,
    RoundTrip,
    SessionOpened,
    SessionOver,
    StatusHeard,
    StreamOpened,
    WentStale,
)
from droptable.core.faults import BOARD_FOREIGN, LINK_VERSION
from droptable.core.licences import end_hold, end_series, follow_hold, follow_withdrawal
from droptable.core.limits import STATUS_STALE_US
from droptable.core.model import Board, Health, Link, Phase, SectionState
from droptable.core.overs import Over
from droptable.core.turn import DAEMON, Turn


def take(turn: Turn, event: LinkNews) -> None:
    """What the link's end says about itself."""
    match event:
        case StreamOpened():
            _lose_board(turn, Health.OPENING)
            stopping.send_again(turn)
        case SessionOver():
            _lose_board(turn, Health.OPENING)
        case WentStale():
            _go_stale(turn)
        case LinkTrouble():
            _take_trouble(turn, event)
        case SessionOpened():
            _open_session(turn, event)
        case RoundTrip(round_us=round_us):
            _take_round_trip(turn, round_us)


def go_stale_when_silent(turn: Turn) -> None:
    """Believe nothing any more when no STATUS has come for too long."""
    status_us = turn.state.link.status_us
    if status_us is not None and turn.now_us - status_us > STATUS_STALE_US:
        _go_stale(turn)


def take_status(turn: Turn, heard: StatusHeard) -> None:
    """The board is heard: all that it says is true now."""
    board = turn.state.link.board
    if board is None:
        return
    before = turn.state
    if before.link.health is Health.STALE:
        turn.record("link_up", None, DAEMON, _who(board))
    link = replace(
        turn.state.link,
        health=Health.LIVE,
        status_us=turn.now_us,
        trouble=None,
        trouble_detail="",
    )
    turn.state = replace(turn.state, link=link, table=heard.table)
    turn.keep_all(map(_merged, turn.state.sections, heard.sections))
    follow_hold(turn)
    follow_withdrawal(turn)
    stopping.follow_status(turn)
    tensions.follow_status(turn)
    wear.follow_status(turn)
    gestures.follow_status(turn)
    series.follow_status(turn, before)
    findings.follow_status(turn)


def _go_stale(turn: Turn) -> None:
    if turn.state.link.board is not None:
        _lose_board(turn, Health.STALE)


def _take_trouble(turn: Turn, trouble: LinkTrouble) -> None:
    _lose_board(turn, Health.REFUSED if trouble.refused else Health.DOWN)
    link = replace(turn.state.link, trouble=trouble.code, trouble_detail=trouble.detail)
    turn.state = replace(turn.state, link=link)
    if trouble.code == LINK_VERSION:
        findings.find(turn, LINK_VERSION)


def _take_round_trip(turn: Turn, round_us: int) -> None:
    """While the link is slow the lease is not in the BEATs: what was held is not held again after."""
    if turn.state.link.board is None:
        return
    turn.state = replace(turn.state, link=replace(turn.state.link, round_us=round_us))
    if turn.state.link.slow:
        end_hold(turn, Over.LINK)


def _open_session(turn: Turn, opened: SessionOpened) -> None:
    _lose_board(turn, Health.OPENING)
    board = opened.board
    if opened.restarted:
        turn.record("board_restarted", None, DAEMON, _who(board))
    turn.record("link_up", None, DAEMON, _who(board))
    link = replace(turn.state.link, board=board, opened_us=turn.now_us)
    turn.state = replace(turn.state, link=link)
    _find_who_it_is(turn, restarted=opened.restarted)
    provision.begin_session(turn, board)
    event_log.begin_session(turn, board)


def _find_who_it_is(turn: Turn, *, restarted: bool) -> None:
    """It speaks our version, so that is over; it may be another board, or have restarted."""
    findings.end(turn, LINK_VERSION)
    if turn.state.foreign:
        findings.find(turn, BOARD_FOREIGN)
    else:
        findings.end(turn, BOARD_FOREIGN)
    if restarted:
        findings.follow_restart(turn)


def _who(board: Board) -> Data:
    return {"hw_id": board.hw_id, "firmware": board.firmware, "boot_id": board.boot_id}


def _lose_board(turn: Turn, health: Health) -> None:
    """Believe nothing that the board said. What was under way has failed, and is over."""
    old = turn.state.link
    # Up and down take turns: what is stale was told to be down, and up comes with a session.
    if old.board is not None and old.health is not Health.STALE:
        turn.record("link_down", None, DAEMON, {})
    # The session of a board that is only silent goes on if it is heard again.
    link = replace(old, status_us=None) if health is Health.STALE else _without_session(old)
    turn.state = replace(turn.state, link=replace(link, health=health), table=None)
    turn.keep_all(map(_unknown, turn.state.sections))
    end_hold(turn, Over.LINK)
    end_series(turn, "link lost")
    give_up(turn)
    provision.interrupt(turn)
    stopping.forget_answer(turn)
    tensions.forget(turn)
    tensions.count_as_unloaded(turn)
    wear.follow_status(turn)


def _without_session(link: Link) -> Link:
    return Link(trouble=link.trouble, trouble_detail=link.trouble_detail)


def _unknown(section: SectionState) -> SectionState:
    """The section when the board cannot be believed: only what is past stays."""
    return SectionState(
        armed_board_us=section.armed_board_us,
        tension_confirmed=section.tension_confirmed,
        tension_left=section.tension_left,
        tension_by_hand_dn=section.tension_by_hand_dn,
        restarted=section.restarted,
        last_drop=section.last_drop,
        series=section.series,
    )


def _merged(old: SectionState, heard: SectionState) -> SectionState:
    """What the board says of a section now, with what the daemon knows beside it."""
    return replace(
        heard,
        armed_until_us=old.armed_until_us if heard.phase is Phase.ARMED else None,
        armed_board_us=old.armed_board_us,
        tension_confirmed=old.tension_confirmed,
        tension_left=old.tension_left,
        tension_by_hand_dn=old.tension_by_hand_dn,
        restarted=old.restarted,
        last_drop=old.last_drop,
        series=old.series,
    )
