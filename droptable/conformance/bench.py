"""A board on the bench: what checks do with it, in the words of the contract.

Every check gets it alike: a live session with a lease, nobody holding, every section LOCKED, all
events acknowledged, all parameters set. What a check leaves behind is put right before the next.
"""

from droptable.conformance.contract import (
    ROW_OF,
    SECTIONS,
    Flag,
    Phase,
    Verb,
)
from droptable.conformance.model import Mismatch, expect
from droptable.conformance.timing import Timed
from droptable.link.messages import (
    EventAck,
    Param,
    Status,
)

REST_WITHIN_US = 25_000_000
"""Every section lowered, one after the other, each in the longest time that may be set."""

RESTING = (Phase.LOCKED, Phase.UNKNOWN, Phase.FAULT)


class Bench(Timed):
    """A board that begins and ends each check at rest."""

    async def begin(self) -> None:
        """Everything as each check finds it."""
        self.host.forget()
        self.host.lease, self.host.hold = True, False
        if self._hands is not None:
            await self._hands.calm()
            await self.hands_away()
        await self.host.connect()
        await self.open()
        await self.rest()
        await self.acknowledge()
        self.host.forget()
        await self.fresh_status()

    async def put_in_force(self, values: dict[tuple[int, int], int]) -> None:
        """Write parameters, and hold them for what the checks begin with."""
        self.values.update(values)
        self._changed.update(values)
        await self.rest()

    async def acknowledge(self) -> None:
        """All events so far, and the EVENTS_LOST that may come of the places that this frees."""
        acknowledged = 0
        newest = self.welcome.next_event_seq - 1
        while newest > acknowledged:
            self.host.send(EventAck(self.welcome.boot_id, newest))
            await self.time()
            acknowledged = newest
            newest = max((e.event_seq for e in self.events()), default=newest)

    async def rest(self) -> None:
        """Every section LOCKED, no stop, every parameter as the checks begin with it."""
        deadline_us = self.host.clock.monotonic_us() + REST_WITHIN_US
        self.host.say(lease=True, hold=False)
        while (todo := self._unrest(await self.fresh_status())) is not None:
            if self.host.clock.monotonic_us() > deadline_us:
                raise Mismatch("every section brought to LOCKED again", todo)
            await self._settle(todo)

    def _unrest(self, status: Status) -> str | None:
        """What is not at rest, the first thing first; None when all is."""
        if status.flags & Flag.ESTOP_OPEN:
            return "the e-stop is open"
        if status.flags & Flag.STOP_LATCHED:
            return "stop"
        phases = [Phase(part.phase) for part in status.sections]
        if self._changed and all(phase in RESTING for phase in phases):
            return "params"
        for at, phase in enumerate(phases):
            if phase is not Phase.LOCKED:
                return f"{at} {phase.name}"
        if self._changed:
            return "params"
        if status.flags & (Flag.SUPPLY_LOW | Flag.AIR_LOW):
            return "power"
        off = [at for at in SECTIONS if self._tension_off(status, at)]
        return f"tension {off[0]}" if off else None

    async def _settle(self, todo: str) -> None:
        match todo.split():
            case ["stop"]:
                await self.ask(self.order(Verb.RESET_STOP))
            case ["params"]:
                await self._restore()
            case ["tension", at]:
                key = ROW_OF["tension_set_dn"].key
                await self.write_param(int(at), key, self.values[int(at), key])
                await self.tension_reached(int(at))
            case [at, ("COCKED" | "HALTED") as name]:
                await self._lower(int(at), Phase[name])
            case [at, name] if name in _WAY_OUT:
                await self.ask(self.order(_WAY_OUT[name], int(at)))
            case _:
                pass

    async def _lower(self, section: int, was: Phase) -> None:
        self.host.say(hold=True)
        await self.ask(self.order(Verb.LOCK, section))
        left = (was, Phase.LOWERING, Phase.SECURING)
        try:
            await self.status(
                lambda s: s.sections[section].phase not in left,
                "LOWERING to come to an end",
                within_us=self._way_us(section, "lower"),
            )
        finally:
            self.host.say(hold=False)

    async def _restore(self) -> None:
        for section, key in sorted(self._changed):
            answer = await self.write_param(section, key, self.values[section, key])
            expect(isinstance(answer, Param), f"parameter {key} taken at rest", answer)
        self._changed.clear()

    async def rest_in_cocked(self) -> None:
        """Back to COCKED after whatever ended an arming."""
        await self.phase(0, Phase.COCKED, within_us=500_000)
        if (await self.fresh_status()).flags & Flag.STOP_LATCHED:
            await self.stop_reset()
        self.host.say(lease=True, hold=False)


_WAY_OUT = {
    "UNKNOWN": Verb.HOME,
    "FAULT": Verb.CLEAR_FAULT,
    "ARMED": Verb.DISARM,
}
