"""Traces: the load around each of the last drops, a millisecond a sample."""

import pytest

from droptable.board.drops import NO_SAMPLE, SAMPLES_PER_TRACE, TRACES_KEPT
from droptable.board.model import Feature, Kind, Phase, Trace, TraceGet
from tests.board.bench import BOOT_ID, EVERYTHING, MS, PELVIC, Bench, S, everywhere, params


def asked(bench: Bench, event_seq: int, index: int = 0, boot_id: int = BOOT_ID) -> Trace:
    (trace,) = (
        answer
        for answer in bench.tick(TraceGet(boot_id, event_seq, index))
        if isinstance(answer, Trace)
    )
    assert (trace.boot_id, trace.event_seq, trace.index) == (boot_id, event_seq, index)
    return trace


def dropped(bench: Bench) -> int:
    """A section falls, with a load that tells the millisecond from its up edge; its event_seq."""
    bench.to(Phase.ARMED)
    edge_us = bench.now_us + 300 * MS
    bench.loads.said[PELVIC] += [(edge_us + ms * MS, 5_000 + ms) for ms in range(-300, 400)]
    bench.contacts[PELVIC].load = 5_000
    bench.wait(300 * MS).break_away(PELVIC).land(PELVIC)
    return bench.event(Kind.DROP).event_seq


def whole(bench: Bench, event_seq: int) -> list[int]:
    samples: list[int] = []
    while piece := asked(bench, event_seq, len(samples)).samples:
        assert len(piece) <= SAMPLES_PER_TRACE
        samples += piece
    return samples


def test_a_trace_reaches_from_256_ms_before_the_up_edge_to_256_ms_after() -> None:
    bench = Bench()
    event_seq = dropped(bench)
    bench.wait(S)
    assert asked(bench, event_seq).total == 512
    assert whole(bench, event_seq) == [5_000 + ms for ms in range(-256, 256)]


def test_an_answer_holds_what_fits() -> None:
    bench = Bench()
    event_seq = dropped(bench)
    bench.wait(S)
    assert len(asked(bench, event_seq, 0).samples) == 18
    assert asked(bench, event_seq, 100).samples[0] == 5_000 - 256 + 100
    assert len(asked(bench, event_seq, 511).samples) == 1


@pytest.mark.parametrize("index", [512, 513, 65_535])
def test_an_index_past_the_end_is_answered_without_samples(index: int) -> None:
    bench = Bench()
    event_seq = dropped(bench)
    trace = asked(bench.wait(S), event_seq, index)
    assert (trace.total, trace.samples) == (512, ())


def test_a_trace_that_is_not_complete_has_no_samples_yet() -> None:
    bench = Bench()
    event_seq = dropped(bench)
    edge_us = bench.event(Kind.DROP).board_us
    bench.until(edge_us + 256 * MS - 1)
    assert (asked(bench, event_seq).total, asked(bench, event_seq).samples) == (512, ())
    bench.wait(1)
    assert len(asked(bench, event_seq).samples) == 18


def test_an_unknown_event_has_no_trace() -> None:
    bench = Bench()
    event_seq = dropped(bench)
    bench.wait(S)
    for seq, boot_id in ((event_seq + 1, BOOT_ID), (1, BOOT_ID), (event_seq, BOOT_ID + 1)):
        trace = asked(bench, seq, boot_id=boot_id)
        assert (trace.total, trace.samples) == (0, ())


def test_a_board_without_traces_has_none() -> None:
    bench = Bench(features=EVERYTHING & ~Feature.TRACES)
    event_seq = dropped(bench)
    trace = asked(bench.wait(S), event_seq)
    assert (trace.total, trace.samples) == (0, ())


def test_samples_that_do_not_exist_are_marked_and_large_ones_are_bounded() -> None:
    bench = Bench(stored=params(everywhere(10, 30_000)))
    bench.to(Phase.ARMED)
    edge_us = bench.now_us + 300 * MS
    bench.loads.said[PELVIC] += [
        (edge_us - 255 * MS, None),
        (edge_us - 254 * MS, 40_000),
        (edge_us - 253 * MS, -40_000),
        (edge_us - 252 * MS, 1_000),
    ]
    bench.wait(300 * MS).break_away(PELVIC).land(PELVIC).wait(S)
    samples = asked(bench, bench.event(Kind.DROP).event_seq).samples
    assert samples[:5] == (500, NO_SAMPLE, 32_767, -32_768, 1_000)


def test_the_last_drops_keep_their_traces() -> None:
    bench = Bench()
    seqs = []
    for _ in range(TRACES_KEPT + 1):
        seqs.append(dropped(bench))
        bench.secure(PELVIC).wait(300 * MS)
    assert TRACES_KEPT >= 2
    assert asked(bench, seqs[0]).total == 0
    for seq in seqs[1:]:
        assert len(whole(bench, seq)) == 512


def test_a_trace_outlives_its_acknowledgement_and_its_session() -> None:
    bench = Bench()
    event_seq = dropped(bench)
    bench.wait(S).ack().lose()
    assert len(whole(bench, event_seq)) == 512
