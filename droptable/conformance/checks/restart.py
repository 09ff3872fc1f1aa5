"""Sections 2 and 4: a board that restarts resumes nothing, keeps its parameters, and says so."""

from droptable.conformance.bench import Bench
from droptable.conformance.contract import (
    BOOT_EVERY_US,
    Code,
    Fault,
    Flag,
    Kind,
    Phase,
    ResetCause,
    Verb,
)
from droptable.conformance.model import check, expect
from droptable.link.frames import encode
from droptable.link.messages import Boot, Result, Stop, Welcome
from droptable.link.params import params_crc

BOOTED_US = 3_000_000
"""How long a board may take from its reset to its first BOOT; the contract names no time."""


async def _reset(bench: Bench, cause: ResetCause) -> Boot:
    mark = bench.mark()
    await bench.hands.reset(cause.label)
    heard = await bench.hear(Boot, lambda _: True, "BOOT", within_us=BOOTED_US, since=mark)
    expect(heard.session == 0, "BOOT under session 0", heard.session)
    assert isinstance(heard.message, Boot)  # noqa: S101 - as it was looked for
    return heard.message


@check("2.6", hands=True)
async def reset(bench: Bench) -> None:
    """After a reset BOOT comes with a new boot_id; the old session is gone."""
    before = bench.welcome
    old = bench.host.session
    boot = await _reset(bench, ResetCause.WATCHDOG)
    expect(boot.boot_id != before.boot_id, "a new boot_id", f"{boot.boot_id:08x}")
    expect(boot.reset_cause == ResetCause.WATCHDOG, "reset_cause watchdog", boot.reset_cause)
    mark = bench.mark()
    bench.host.send(bench.order(Verb.HOME, 0))
    bench.host.stop_beating()
    await bench.hear(Boot, lambda _: True, "BOOT again", within_us=BOOT_EVERY_US, since=mark)
    answered = [h for h in bench.host.heard[mark:] if isinstance(h.message, Result)]
    expect(not answered, "no answer to a frame of the session before", answered)
    told = await bench.open()
    expect(bench.host.session != old, "another session")
    expect(told.boot_id == boot.boot_id, "WELCOME with the boot_id of BOOT", told)
    crc = params_crc(bench.values)
    expect(told.params_crc == crc, "the parameters as they were", f"{told.params_crc:08x}")
    event = await bench.event(Kind.BOOTED, within_us=BOOT_EVERY_US)
    expect(event.a == ResetCause.WATCHDOG, "BOOTED with its cause", event.a)
    expect(event.event_seq == 1, "events numbered from 1", event.event_seq)
    status = await bench.fresh_status()
    phases = [Phase(part.phase) for part in status.sections]
    expect(phases == [Phase.UNKNOWN] * 3, "every section UNKNOWN", phases)
    expect(status.board_us < BOOTED_US + 2_000_000, "board_us since boot", status.board_us)


@check("2.6, 4", hands=True)
async def reset_in_armed(bench: Bench) -> None:
    """A reset in ARMED drives nothing and arms nothing again."""
    await bench.arm(0)
    await _reset(bench, ResetCause.BROWN_OUT)
    await bench.open()
    status = await bench.fresh_status()
    driven = [part.outputs for part in status.sections if part.outputs]
    expect(not driven, "nothing driven after a reset", driven)
    bench.host.say(hold=True)
    await bench.refused(Code.WRONG_PHASE, Verb.ARM, 0, 1_000)
    await bench.refused(Code.WRONG_PHASE, Verb.COCK, 0)
    bench.host.say(hold=False)
    await bench.host.pause(bench.value(0, "settle_ms") * 1_000 + 200_000)
    await bench.accepted(Verb.HOME, 0)
    await bench.phase(0, Phase.COCKED)


@check("4 Rules", hands=True)
async def estop_open_at_boot(bench: Bench) -> None:
    """An e-stop that is open at boot latches stop."""
    await bench.hands.estop(opened=True)
    await bench.flag(Flag.STOP_LATCHED, on=True)
    await _reset(bench, ResetCause.POWER_ON)
    await bench.open()
    # A host may come within the 5 ms that a board has to see the chain, and may be told so before.
    status = await bench.flag(Flag.ESTOP_OPEN, on=True)
    expect(bool(status.flags & Flag.STOP_LATCHED), "stop latched with it", status.flags)
    await bench.refused(Code.STOPPED, Verb.RESET_STOP)


@check("4 fault 15", faults=("up-stuck-closed",))
async def self_test(bench: Bench) -> None:
    """Up and down both closed at boot is SELF_TEST."""
    await bench.hands.fault("up-stuck-closed", 1)
    await _reset(bench, ResetCause.POWER_ON)
    await bench.open()
    part = (await bench.fresh_status()).sections[1]
    expect((part.phase, part.fault) == (Phase.FAULT, Fault.SELF_TEST), "FAULT SELF_TEST", part)
    await bench.refused(Code.FAULTED, Verb.HOME, 1)
    await bench.refused(Code.FAULTED, Verb.CLEAR_FAULT, 1)


@check("2, 3 STOP", hands=True)
async def stop_before_any_session(bench: Bench) -> None:
    """STOP under session 0 acts on a board that has no session yet."""
    bench.host.stop_beating()
    await _reset(bench, ResetCause.POWER_ON)
    mark = bench.mark()
    stop = Stop(bench.next_id())
    bench.host.send_bytes(encode(0, 0, stop), "STOP under 00000000")
    await bench.open()
    await bench.flag(Flag.STOP_LATCHED, on=True)
    answers = [h for h in bench.host.heard[mark:] if isinstance(h.message, Result)]
    expect(not answers, "no RESULT without a session", answers)
    welcomes = [h for h in bench.host.heard[mark:] if isinstance(h.message, Welcome)]
    expect(len(welcomes) == 1, "one WELCOME", welcomes)
    await bench.stop_reset()
