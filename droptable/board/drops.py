"""What a fall leaves behind: its DROP event, and the trace of the load around it. Pure."""

from dataclasses import replace

from droptable.board.model import Feature, Kind, Trace, TraceGet
from droptable.board.rows import cut_short_us, fall_us
from droptable.board.state import I16, I32, TraceRecord, clamp, load_dn
from droptable.board.turn import Turn

PEAK_BEFORE_US = 200_000
"""How long before the up edge the thrust's peak is looked for: preload and rise take that long."""

RELEASE_BEFORE_US = 10_000
"""How old the newest sample may be that tells the load at the up edge: a converter may be late."""

SAMPLE_US = 1_000
TRACE_BEFORE_US = 256_000
TRACE_AFTER_US = 256_000
TRACE_TOTAL = (TRACE_BEFORE_US + TRACE_AFTER_US) // SAMPLE_US
TRACES_KEPT = 4
SAMPLES_PER_TRACE = 18
NO_SAMPLE = -32_768


def record_drop(turn: Turn, at: int) -> None:
    """Record the DROP of the way down that has just ended, and remember that a trace is due.

    Without an up edge that belongs to it, the down edge is its time and its fall takes 0.
    """
    section = turn.section(at)
    took_us, down_us = fall_us(section) or 0, section.down.edge_us
    if (cut_us := cut_short_us(section)) is not None:
        took_us, down_us = cut_us, section.down.raw_since_us
        # Each contact bears out the other: the same fall is not found again once they are quiet.
        up, down = section.up.believed(turn.now_us), section.down.believed(turn.now_us)
        section = replace(section, up=up, down=down)
    up_us = down_us - took_us
    peak_dn = max(_loads(turn, at, up_us - PEAK_BEFORE_US, down_us + 1), default=0)
    before_dn = _loads(turn, at, up_us - RELEASE_BEFORE_US, up_us + 1)
    release_dn = before_dn[-1] if before_dn else 0
    seq = turn.board.events.next_seq
    turn.keep(at, replace(section, left_top_us=None))
    turn.tell(Kind.DROP, at, took_us, clamp(peak_dn, I32), clamp(release_dn, I32), at_us=up_us)
    newest = turn.board.events.kept[-1]
    if newest.event_seq >= seq and Feature.TRACES in turn.board.features:
        record = TraceRecord(newest.event_seq, at, up_us)
        turn.change(traces=(*turn.board.traces, record)[-TRACES_KEPT:])


def _loads(turn: Turn, at: int, from_us: int, to_us: int) -> list[int]:
    """The loads of a window in 0.1 N, without those that do not exist."""
    raws = turn.loads.window(at, from_us, to_us, SAMPLE_US)
    return [load_dn(turn.board, at, raw) for raw in raws if raw is not None]


def trace_due_us(trace: TraceRecord) -> int | None:
    """When the last sample of a trace will be there; None when it is complete."""
    return trace.edge_us + TRACE_AFTER_US if trace.samples_dn is None else None


def finish_traces(turn: Turn) -> None:
    """Take the samples of every trace whose last one is there by now."""
    traces = turn.board.traces
    due = [trace_due_us(trace) for trace in traces]
    if any(at_us is not None and at_us <= turn.now_us for at_us in due):
        turn.change(
            traces=tuple(
                trace if at_us is None or at_us > turn.now_us else _finished(turn, trace)
                for trace, at_us in zip(traces, due, strict=True)
            )
        )


def _finished(turn: Turn, trace: TraceRecord) -> TraceRecord:
    at, edge_us = trace.section, trace.edge_us
    raws = turn.loads.window(at, edge_us - TRACE_BEFORE_US, edge_us + TRACE_AFTER_US, SAMPLE_US)
    samples = (
        NO_SAMPLE if raw is None else clamp(load_dn(turn.board, at, raw), I16) for raw in raws
    )
    return replace(trace, samples_dn=tuple(samples))


def trace_of(turn: Turn, ask: TraceGet) -> Trace:
    """The piece of a trace that is asked for; without samples as long as it is not complete."""
    known = (trace for trace in turn.board.traces if trace.event_seq == ask.event_seq)
    record = next(known, None) if ask.boot_id == turn.board.boot_id else None
    if record is None:
        return Trace(ask.boot_id, ask.event_seq, total=0, index=ask.index, samples=())
    samples = (record.samples_dn or ())[ask.index : ask.index + SAMPLES_PER_TRACE]
    return Trace(ask.boot_id, ask.event_seq, TRACE_TOTAL, ask.index, samples)
