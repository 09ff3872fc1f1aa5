"""The way of the board's events into the journal, and of the board's leave to forget them. Pure.

Each is recorded in the order of its number and acknowledged when it, and all before it, are on disk.
Until then the board keeps it: what could not be recorded is expected again.
"""

from dataclasses import replace

from droptable.core import tensions
from droptable.core.board_events import ARMED, DISARMED, DROP, Data, section_of, told
from droptable.core.effects import Record, SendEventAck
from droptable.core.events import (
    BoardEventHeard,
    CommitFailed,
    Committed,
    JournalHealth,
    JournalNews,
)
from droptable.core.licences import end_lease
from droptable.core.model import Board, Drop, EventLog
from droptable.core.series import count_drop
from droptable.core.turn import BOARD, DAEMON, Turn
from droptable.sections import Section


def begin_session(turn: Turn, board: Board) -> None:
    """Expect the oldest event that the board keeps; what it no longer has is told as lost."""
    log, first_seq = turn.state.events, max(board.first_event_seq, 1)
    fresh = EventLog(board.boot_id, next_seq=first_seq, committed_seq=first_seq - 1)
    if log.boot_id != board.boot_id:
        # Its clock began anew, and nobody has seen what its tensions are since.
        turn.keep_all(
            replace(tensions.left(each), armed_board_us=None) for each in turn.state.sections
        )
        turn.state = replace(turn.state, events=fresh)
    elif first_seq > log.next_seq:
        data: Data = {"count": first_seq - log.next_seq, "boot_id": board.boot_id}
        turn.record("events_lost", None, DAEMON, data)
        turn.state = replace(turn.state, events=fresh)


def take_event(turn: Turn, heard: BoardEventHeard) -> None:
    """Record the next one; one that came before is acknowledged again, one too early ignored."""
    log = turn.state.events
    if heard.boot_id != log.boot_id or heard.event_seq > log.next_seq:
        return
    if heard.event_seq < log.next_seq:
        if heard.event_seq <= log.committed_seq:
            turn.effects.append(SendEventAck(log.boot_id, log.committed_seq))
        return
    turn.state = replace(turn.state, events=replace(log, next_seq=log.next_seq + 1))
    section = section_of(heard)
    known = None if section is None else turn.section(section)
    kind, data = told(heard, known, _calibration_id(turn, section))
    if section is not None and heard.kind == DROP and (of := count_drop(turn, section)):
        data = {**data, "series": of}
    turn.effects.append(Record(kind, section, BOARD, data, heard))
    if section is not None:
        _follow_arming(turn, section, heard)


def _calibration_id(turn: Turn, section: Section | None) -> str | None:
    """By which calibration the section's forces were measured."""
    calibration = None if section is None else turn.state.calibrations[section]
    return None if calibration is None else calibration.id


def take_journal_news(turn: Turn, news: JournalNews) -> None:
    """What became of something that was to be recorded."""
    match news:
        case Committed():
            _take_commit(turn, news)
        case CommitFailed():
            _expect_again(turn, news)
            _note_health(turn, failed=True)
        case JournalHealth(failed=failed):
            _note_health(turn, failed=failed)


def _follow_arming(turn: Turn, at: Section, heard: BoardEventHeard) -> None:
    """A section was armed for as long as no event told that it is not, or that it fell."""
    armed_us = heard.board_us if heard.kind == ARMED else None
    if heard.kind in (ARMED, DISARMED, DROP):
        turn.keep(at, replace(turn.section(at), armed_board_us=armed_us))


def _take_commit(turn: Turn, done: Committed) -> None:
    heard, log, section = done.heard, turn.state.events, section_of(done.heard)
    _note_health(turn, failed=False)
    if heard.kind == DROP and section is not None:
        drop = Drop(done.seq, done.time, heard.a, heard.b, heard.c)
        turn.keep(section, replace(turn.section(section), last_drop=drop))
    if (heard.boot_id, heard.event_seq) == (log.boot_id, log.committed_seq + 1):
        # The shell tries again too what failed, and may have been quicker than the board.
        next_seq = max(log.next_seq, heard.event_seq + 1)
        log = replace(log, committed_seq=heard.event_seq, next_seq=next_seq)
        turn.state = replace(turn.state, events=log)
        turn.effects.append(SendEventAck(log.boot_id, heard.event_seq))


def _expect_again(turn: Turn, failed: CommitFailed) -> None:
    """The board keeps it, and everything after it, until it is recorded."""
    log = turn.state.events
    if failed.boot_id == log.boot_id and log.committed_seq < failed.event_seq < log.next_seq:
        turn.state = replace(turn.state, events=replace(log, next_seq=failed.event_seq))


def _note_health(turn: Turn, *, failed: bool) -> None:
    """A journal that cannot be written makes the table safe: what is armed or moves, ends."""
    if failed and not turn.state.journal_failed:
        end_lease(turn, "journal failed")
    turn.state = replace(turn.state, journal_failed=failed)
