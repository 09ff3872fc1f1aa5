"""Section 4: in each phase, every verb that has no business there is refused and changes nothing."""

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    SECTION_VERBS,
    Code,
    Feature,
    Phase,
    Verb,
)
from droptable.conformance.model import Mismatch, check, expect
from droptable.conformance.telling import word

_ALLOWED: dict[Phase, frozenset[Verb]] = {
    Phase.UNKNOWN: frozenset({Verb.HOME}),
    Phase.LOCKED: frozenset({Verb.COCK, Verb.TARE}),
    Phase.COCKED: frozenset({Verb.ARM, Verb.LOCK}),
    Phase.ARMED: frozenset({Verb.DISARM}),
    Phase.HALTED: frozenset({Verb.COCK, Verb.LOCK}),
    Phase.FAULT: frozenset({Verb.CLEAR_FAULT}),
}
"""The verbs that a row or a rule knows in a phase; in all others there are none."""


_SHORT = (Phase.DROPPING, Phase.DROPPED, Phase.SECURING)
"""Over in some tens of milliseconds."""

TRIES = 4


class TooLate(Mismatch):
    """What was to be tried in a phase came after it."""


async def _all_others_refused(bench: Bench, phase: Phase, section: int = 0) -> None:
    """Every verb that has no business in `phase` is refused for it, and changes nothing.

    The RESULT says in which phase it was judged: one that came too late proves nothing.
    """
    known = _ALLOWED.get(phase, frozenset())
    if Feature.TARING not in bench.features:
        known |= {Verb.TARE}
    verbs = [verb for verb in SECTION_VERBS if verb not in known]
    orders = [bench.order(verb, section, 1000 if verb == Verb.ARM else 0) for verb in verbs]
    mark = bench.mark()
    bench.host.send(*orders)
    results = [await bench.result(order.cmd_id, since=mark) for order in orders]
    if any(result.phase != phase for result in results) and phase in _SHORT:
        raise TooLate(f"{phase.name} to last until COMMANDs were judged in it", str(results))
    wanted = Code.FAULTED if phase is Phase.FAULT else Code.WRONG_PHASE
    for verb, result in zip(verbs, results, strict=True):
        expect(
            (result.code, result.phase) == (wanted, phase),
            f"{wanted.name} for {verb.name} in {phase.name}, which stays",
            f"{word(Code, result.code)} in {word(Phase, result.phase)}",
        )


@check("4 transition table")
async def verbs_in_locked(bench: Bench) -> None:
    """In LOCKED every verb but COCK and TARE is WRONG_PHASE."""
    bench.host.say(hold=True)
    await _all_others_refused(bench, Phase.LOCKED)


@check("4 transition table")
async def verbs_on_the_way(bench: Bench) -> None:
    """In COCKING, HALTED and LOWERING what has no row is WRONG_PHASE."""
    bench.host.say(hold=True)
    await bench.accepted(Verb.COCK, 0)
    await _all_others_refused(bench, Phase.COCKING)
    await bench.midway(0)
    bench.host.say(hold=False)
    await bench.phase(0, Phase.HALTED)
    await _all_others_refused(bench, Phase.HALTED)
    bench.host.say(hold=True)
    await bench.accepted(Verb.LOCK, 0)
    await _all_others_refused(bench, Phase.LOWERING)


@check("4 transition table")
async def verbs_at_the_top(bench: Bench) -> None:
    """In COCKED, ARMED and SECURING what has no row is WRONG_PHASE."""
    await bench.cock(0)
    bench.host.say(hold=True)
    await _all_others_refused(bench, Phase.COCKED)
    await bench.arm(0)
    await _all_others_refused(bench, Phase.ARMED)
    await bench.accepted(Verb.DISARM, 0)
    await _all_others_refused(bench, Phase.SECURING)


@check("4 transition table", hands=True)
async def verbs_in_a_fall(bench: Bench) -> None:
    """In DROPPING and DROPPED every verb is WRONG_PHASE."""
    for phase in (Phase.DROPPING, Phase.DROPPED):
        for left in reversed(range(TRIES)):
            await bench.arm(0)
            mark = bench.mark()
            await bench.thrust(0)
            await bench.phase(0, phase, within_us=1_500_000, since=mark)
            try:
                await _all_others_refused(bench, phase)
                break
            except TooLate:
                if not left:
                    raise
            finally:
                await bench.phase(0, Phase.LOCKED, within_us=500_000)


@check("4 transition table", faults=("up-stuck-closed",))
async def verbs_in_unknown_and_fault(bench: Bench) -> None:
    """In UNKNOWN only HOME, in FAULT only CLEAR_FAULT is not refused."""
    await bench.fail(0)
    bench.host.say(hold=True)
    await _all_others_refused(bench, Phase.FAULT)
    await bench.accepted(Verb.CLEAR_FAULT, 0)
    await _all_others_refused(bench, Phase.UNKNOWN)
