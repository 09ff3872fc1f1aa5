"""The ways between phases, and the events that they and others make, as checks go them."""

from droptable.conformance.contract import (
    COMMANDS_REMEMBERED,
    ROW_OF,
    TABLE,
    Fault,
    Flag,
    Kind,
    Phase,
    Switch,
    Verb,
)
from droptable.conformance.model import NotApplicable
from droptable.conformance.setting import Setting
from droptable.link.messages import (
    Event,
    Status,
)

MIDWAY_US = 40_000
"""How long a section moves on once both its switches are open: out of reach of the pin's holes."""

SHOVE_MORE_N = 200
"""By how much hands are above the tension once they have leant in: some like to come with force."""

FILL_MAX = 512
"""A board that keeps more events than this is not filled up."""


class Moving(Setting):
    """A board whose sections move. Each method waits until what it is named for is reached."""

    # Motion

    async def cock(self, section: int) -> None:
        """From LOCKED or HALTED to COCKED."""
        await self.hands_away()
        self.host.say(lease=True, hold=True)
        await self.accepted(Verb.COCK, section)
        await self.phase(section, Phase.COCKED, within_us=self._way_us(section, "cock"))
        self.host.say(hold=False)

    async def lock(self, section: int) -> None:
        """From COCKED or HALTED to LOCKED."""
        self.host.say(lease=True, hold=True)
        await self.accepted(Verb.LOCK, section)
        await self.phase(section, Phase.LOCKED, within_us=self._way_us(section, "lower"))
        self.host.say(hold=False)

    async def arm(self, section: int, window_ms: int | None = None) -> None:
        """From LOCKED or COCKED to ARMED, with the pin seen to be out."""
        if self.section(section).phase != Phase.COCKED:
            await self.cock(section)
        longest_ms = self.value(section, "arm_window_max_ms")
        await self.tension_reached(section)
        await self.accepted(Verb.ARM, section, window_ms or min(longest_ms, 5_000))
        await self.status(
            lambda s: not s.sections[section].inputs & Switch.PIN,
            "the pin out of an ARMED section",
            within_us=self.value(section, "pin_timeout_ms") * 1_000,
        )

    async def tension_reached(self, section: int) -> None:
        """Wait until the tension is what it was set to."""
        await self.status(
            lambda s: not self._tension_off(s, section),
            "tension_dn within its tolerance of tension_set_dn",
            within_us=5_000_000,
        )

    async def thrust(self, section: int) -> int:
        """A thrust that is stronger than the tension."""
        return await self.hands.thrust(section, peak_n=self._tension_n(section) + 300)

    async def hands_away(self) -> None:
        """Wait until the last thrust is over: a section that comes up under it may fall again."""
        if self._hands is not None:
            await self.host.pause(await self._hands.away_in_us())

    async def shove(self, section: int) -> int:
        """A thrust that is stronger than the tension in half the time in which hands lean in."""
        tension_n = self._tension_n(section)
        return await self.hands.thrust(
            section, peak_n=tension_n + 300, preload_n=tension_n + SHOVE_MORE_N
        )

    def _tension_n(self, section: int) -> float:
        return self.values.get((section, ROW_OF["tension_set_dn"].key), 3_000) / 10

    async def drop(self, section: int) -> Event:
        """From LOCKED through a thrust to LOCKED again; gives its DROP."""
        await self.arm(section)
        before = max((event.event_seq for event in self.events()), default=0)
        await self.thrust(section)
        await self.phase(section, Phase.DROPPING, within_us=1_000_000)
        event = await self.event(Kind.DROP, section, after=before, within_us=500_000)
        await self.phase(section, Phase.LOCKED, within_us=500_000)
        return event

    async def midway(self, section: int) -> None:
        """Wait until a moving section is well between top and bottom."""
        await self.status(
            lambda s: not s.sections[section].inputs & (Switch.UP | Switch.DOWN | Switch.PIN),
            "no switch closed on the way",
            within_us=1_000_000,
        )
        await self.host.pause(MIDWAY_US)

    async def halt(self, section: int) -> None:
        """From LOCKED to HALTED, halfway up."""
        self.host.say(lease=True, hold=True)
        await self.accepted(Verb.COCK, section)
        await self.midway(section)
        self.host.say(hold=False)
        await self.phase(section, Phase.HALTED)

    async def forget_where(self, section: int) -> None:
        """From LOCKED to UNKNOWN, at the bottom, by a fault that is over."""
        await self.fail(section)
        await self.accepted(Verb.CLEAR_FAULT, section)
        await self.phase(section, Phase.UNKNOWN)

    async def fail(self, section: int) -> None:
        """From LOCKED to FAULT, for a cause that is over."""
        await self.hands.fault("up-stuck-closed", section)
        await self.faulted(section, Fault.SWITCHES_IMPLAUSIBLE)
        await self.hands.fault("up-stuck-closed", section, on=False)
        await self.status(
            lambda s: not s.sections[section].inputs & Switch.UP, "the up switch open", since=None
        )

    def _way_us(self, section: int, way: str) -> int:
        longest_ms = self.value(section, f"{way}_timeout_ms")
        return (longest_ms + self.value(section, "pin_timeout_ms") + 500) * 1_000

    async def stop_reset(self) -> None:
        """RESET_STOP, with all that it needs."""
        self.host.say(lease=True, hold=False)
        await self.accepted(Verb.RESET_STOP)
        await self.flag(Flag.STOP_LATCHED, on=False)

    def _tension_off(self, status: Status, section: int) -> bool:
        """The tension is not what it was set to: a STOP leaves the actuator where it is."""
        wanted = self.values.get((section, ROW_OF["tension_set_dn"].key))
        if wanted is None:
            return False
        slop = self.value(section, "tension_tolerance_dn")
        return abs(status.sections[section].tension_dn - wanted) > slop

    # Events

    async def make_events(self, count: int) -> None:
        """Have that many events happen, none of which moves anything."""
        for part in range(0, count, COMMANDS_REMEMBERED):
            numbers = range(part, min(part + COMMANDS_REMEMBERED, count))
            orders = [self.order(Verb.MAINTENANCE, TABLE, 1 - at % 2) for at in numbers]
            mark = self.mark()
            self.host.send(*orders)
            for order in orders:
                await self.result(order.cmd_id, since=mark)
        await self.time()

    async def fill_events(self) -> int:
        """Have events happen until the board drops some; how many. It keeps all since the check began."""
        made = 0
        while len(self.events(Kind.MAINTENANCE)) == made:
            if made >= FILL_MAX:
                raise NotApplicable(f"the board keeps more than {FILL_MAX} events")
            await self.make_events(COMMANDS_REMEMBERED)
            made += COMMANDS_REMEMBERED
        return made - len(self.events(Kind.MAINTENANCE))
