"""Asks the table for a motion over HTTP and watches the state until its outcome shows.

The daemon decides and the board acts; nothing is repeated here, and whatever the state does not
show did not happen.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from droptable.cli.client import Daemon, lease
from droptable.cli.exits import CommandError, ExitCode, Reason, RefusedError
from droptable.cli.output import say

POLL_S = 0.05

EARLY_S = 0.3
"""A window that ends this much before its time was ended by someone or something."""


@dataclass(frozen=True, slots=True)
class Course:
    """What a verb leads to: phases that are its outcome, and those on the way there."""

    goal: frozenset[str]
    on_the_way: frozenset[str]


COURSES: Mapping[str, Course] = {
    "cock": Course(frozenset({"COCKED"}), frozenset({"COCKING", "SECURING"})),
    "arm": Course(frozenset({"ARMED"}), frozenset()),
    "disarm": Course(
        frozenset({"COCKED", "LOCKED"}), frozenset({"ARMED", "DROPPING", "DROPPED", "SECURING"})
    ),
    "lock": Course(frozenset({"LOCKED"}), frozenset({"LOWERING", "SECURING"})),
    "home": Course(frozenset({"LOCKED", "COCKED", "HALTED"}), frozenset()),
    "clear-fault": Course(frozenset({"UNKNOWN"}), frozenset({"FAULT"})),
}

ENDED_BY_STOP = frozenset({"cock", "arm", "lock"})

AWAITING_DROP = frozenset({"ARMED", "DROPPING", "DROPPED", "SECURING", "LOCKED"})
"""An armed section gets to LOCKED only by a drop; its record may show a little later."""

SETTLED_S = 5.0
"""The longest that a tension, or the record of a drop, may take to show."""

WITHOUT_LEASE = frozenset({"disarm", "home"})
"""Neither moves anything: whoever sees a danger may disarm, and homing only looks."""


async def act(daemon: Daemon, verb: str, section: str, timeout_s: float) -> dict[str, Any]:
    """Carry out `verb` and give the section as it is then.

    Raises RefusedError with every reason, also when the table stopped on the way, and CommandError
    TIMEOUT when no outcome shows in `timeout_s`.
    """
    if verb in WITHOUT_LEASE:
        return await _ask_and_watch(daemon, verb, section, timeout_s)
    async with lease(daemon):
        return await _ask_and_watch(daemon, verb, section, timeout_s)


async def _ask_and_watch(
    daemon: Daemon, verb: str, section: str, timeout_s: float
) -> dict[str, Any]:
    await daemon.ask("POST", f"/sections/{section}/{verb}")
    return await _watched(daemon, verb, section, timeout_s)


async def _watched(daemon: Daemon, verb: str, section: str, timeout_s: float) -> dict[str, Any]:
    course, under_way, phase = COURSES[verb], False, ""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                state = await daemon.get("/state")
                shown: dict[str, Any] = state["sections"][section]
                phase = shown["phase"]
                if phase in course.goal:
                    return shown
                _check_hindrance(state, verb, section, course.on_the_way)
                if phase in course.on_the_way:
                    under_way = True
                elif under_way:
                    raise RefusedError((_ended_in(verb, section, phase),))
                await daemon.pause(POLL_S)
    except TimeoutError:
        raise CommandError(
            ExitCode.TIMEOUT,
            f"{verb} {section}: no outcome within {timeout_s:g} s, the section is {phase}. "
            "Look at the table; nothing is repeated.",
        ) from None


def _check_hindrance(
    state: dict[str, Any], verb: str, section: str, on_the_way: frozenset[str]
) -> None:
    """RefusedError when the section cannot get there any more."""
    shown = state["sections"][section]
    if state["link"]["state"] != "live":
        text = state["link"]["problem"] or "The board cannot be heard."
        raise RefusedError((Reason("LINK_NOT_LIVE", text, "Look at the table."),))
    if shown["phase"] in on_the_way:
        return
    if shown["phase"] == "FAULT" and (fault := shown["fault"]):
        raise RefusedError((Reason(fault["code"], fault["text"], fault["remedy"]),))
    if state["stop"]["latched"] and verb in ENDED_BY_STOP:
        raise RefusedError((_stopped(section, shown["phase"]),))


def _stopped(section: str, phase: str) -> Reason:
    return Reason(
        "STOPPED",
        f"The table was stopped; the {section} section is {phase}.",
        "Look at the table, then `droptable reset`.",
    )


def _ended_in(verb: str, section: str, phase: str) -> Reason:
    return Reason(
        "NOT_REACHED",
        f"{verb} ended before its goal; the {section} section is {phase}.",
        "Look at the table and at `droptable events list`.",
    )


# Arming


async def arm(
    daemon: Daemon, section: str, *, window_s: float | None, tension_n: float | None
) -> dict[str, Any]:
    """Arm, hold the lease, and give the section after its drop.

    Raises CommandError TIMEOUT when the window ended without a thrust, RefusedError when someone
    or something ended it.
    """
    async with lease(daemon):
        if tension_n is not None:
            await set_tension(daemon, section, tension_n)
            await _ready_to_arm(daemon, section)
        before = (await daemon.get("/state"))["sections"][section]["last_drop"]
        armed = await _ask_and_watch(daemon, "arm", section, timeout_s=5.0)
        return await _thrust_awaited(daemon, section, armed, before, window_s)


async def set_tension(daemon: Daemon, section: str, newton: float) -> dict[str, Any]:
    """Set the tension; the lease must be held. Gives what the daemon says about it."""
    answer = await daemon.ask("PUT", f"/sections/{section}/tension", body={"newton": newton})
    done: dict[str, Any] = answer["done"]
    return done


async def _ready_to_arm(daemon: Daemon, section: str) -> None:
    """Give the actuator its time; if arming is still refused then, arming tells why."""
    give_up_at = daemon.now_s() + SETTLED_S
    while daemon.now_s() < give_up_at:
        if not (await daemon.get("/state"))["sections"][section]["ready"]["arm"]:
            return
        await daemon.pause(POLL_S)


async def _thrust_awaited(
    daemon: Daemon,
    section: str,
    armed: dict[str, Any],
    before: dict[str, Any] | None,
    window_s: float | None,
) -> dict[str, Any]:
    open_s = (armed["armed_until_ms"] or 0) / 1000
    say(f"{section} ARMED for {open_s:.0f} s: a thrust makes it fall, Ctrl-C disarms.")
    over_at = daemon.now_s() + open_s
    disarm_at = None if window_s is None or window_s >= open_s else daemon.now_s() + window_s
    while True:
        state = await daemon.get("/state")
        shown: dict[str, Any] = state["sections"][section]
        if shown["last_drop"] is not None and shown["last_drop"] != before:
            return shown
        _check_hindrance(state, "arm", section, AWAITING_DROP - {"ARMED", "SECURING"})
        if shown["phase"] not in AWAITING_DROP or daemon.now_s() > over_at + SETTLED_S:
            raise _window_ended(section, shown["phase"], over=daemon.now_s() >= over_at - EARLY_S)
        if disarm_at is not None and daemon.now_s() >= disarm_at:
            over_at, disarm_at = disarm_at, None
            await _disarm(daemon, section)
        await daemon.pause(POLL_S)


async def _disarm(daemon: Daemon, section: str) -> None:
    try:
        await daemon.ask("POST", f"/sections/{section}/disarm")
    except RefusedError:
        # It fell or was disarmed in the same moment; the state shows which.
        return


def _window_ended(section: str, phase: str, *, over: bool) -> CommandError:
    if over:
        return CommandError(
            ExitCode.TIMEOUT,
            f"The window ended without a thrust; the {section} section is {phase}.",
        )
    return RefusedError(
        (
            Reason(
                "DISARMED",
                f"The {section} section was disarmed before its window ended; it is {phase}.",
                "`droptable events list --kind disarmed` says why.",
            ),
        )
    )
