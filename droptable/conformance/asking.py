"""How a check speaks with the board: sessions, COMMANDs and their RESULTs, and what it waits for."""

from collections.abc import Callable, Iterable

from droptable.conformance.contract import (
    ANY_PHASE,
    BEATS_BEFORE_COMMANDS,
    ROW_OF,
    TABLE,
    TTL_MS,
    Code,
    Fault,
    Feature,
    Flag,
    Kind,
    Output,
    Phase,
    Verb,
)
from droptable.conformance.hands import Hands
from droptable.conformance.host import Heard, Host
from droptable.conformance.model import Mismatch, NotApplicable, Slack, Timing, expect
from droptable.conformance.telling import section_in_words, word
from droptable.link.messages import (
    Command,
    Event,
    Message,
    Result,
    SectionStatus,
    Status,
    Time,
    TimeReply,
    Welcome,
)

ANSWER_US = 5_000
"""COMMAND to RESULT by section 6; other questions are given as long."""


class Asking:
    """One board under test. `hands` is None where only the link reaches it."""

    def __init__(self, host: Host, hands: Hands | None, slack: Slack) -> None:
        self.host = host
        self.slack = slack
        self.timings: dict[str, Timing] = {}
        self.values: dict[tuple[int, int], int] = {}
        """The parameters that the checks begin with."""
        self._hands = hands
        self._welcome: Welcome | None = None
        self._changed: set[tuple[int, int]] = set()
        self._next_id = 0

    @property
    def hands(self) -> Hands:
        if self._hands is None:
            raise NotApplicable("nobody is at the table")
        return self._hands

    @property
    def has_hands(self) -> bool:
        return self._hands is not None

    @property
    def welcome(self) -> Welcome:
        """The newest one."""
        if self._welcome is None:
            raise Mismatch("a WELCOME that answers HELLO")
        return self._welcome

    @property
    def features(self) -> Feature:
        return Feature(self.welcome.features & 0xFF)

    def value(self, section: int, name: str) -> int:
        """A parameter that the checks begin with; its upper bound while it is not set."""
        row = ROW_OF[name]
        return self.values.get((section, row.key), row.high)

    # Sessions

    async def open(self, *, beats: int = BEATS_BEFORE_COMMANDS) -> Welcome:
        """A new session, its first BEATs sent; they go on if a command may follow."""
        self.host.stop_beating()
        mark = self.mark()
        session = self.host.new_session()
        self.host.hello()
        heard = await self.hear(Welcome, lambda _: True, "WELCOME for HELLO", since=mark)
        expect(heard.session == session, "WELCOME under the id of HELLO", f"{heard.session:08x}")
        self._welcome = heard.message if isinstance(heard.message, Welcome) else None
        for _ in range(beats):
            self.host.beat()
        if beats >= BEATS_BEFORE_COMMANDS:
            self.host.start_beating()
        return self.welcome

    async def fall_silent(self) -> None:
        """Send no BEAT any more until the board takes the host for dead."""
        mark = self.mark()
        self.host.stop_beating()
        await self.status(
            lambda s: not s.flags & Flag.SESSION_ALIVE,
            "the session dead 160 ms after its last BEAT",
            within_us=160_000,
            since=mark,
        )

    # Asking

    def next_id(self) -> int:
        """A cmd_id that this run has not used for long."""
        self._next_id = self._next_id % 65_535 + 1
        return self._next_id

    def order(
        self,
        verb: int,
        section: int = TABLE,
        arg: int = 0,
        *,
        expects: int = ANY_PHASE,
        ttl_ms: int = TTL_MS[1],
        age_ms: int = 0,
        cmd_id: int | None = None,
    ) -> Command:
        """A COMMAND as it would be sent now; `age_ms` makes it older."""
        host_ms = (self.host.now_ms - age_ms) % 2**32
        number = self.next_id() if cmd_id is None else cmd_id
        return Command(number, verb, section, expects, ttl_ms, host_ms, arg)

    async def ask(self, order: Command) -> Result:
        """Send a COMMAND and give its RESULT."""
        mark = self.mark()
        self.host.send(order)
        return await self.result(order.cmd_id, since=mark)

    async def result(self, cmd_id: int, *, since: int) -> Result:
        """The RESULT for that id."""
        heard = await self.hear(
            Result, lambda m: m.cmd_id == cmd_id, f"RESULT for cmd_id {cmd_id}", since=since
        )
        assert isinstance(heard.message, Result)  # noqa: S101 - `hear` gives what is asked for
        return heard.message

    async def accepted(self, verb: Verb, section: int = TABLE, arg: int = 0) -> Result:
        """The board must do it."""
        result = await self.ask(self.order(verb, section, arg))
        _expect_code(result, Code.OK, verb, section)
        return result

    async def refused(self, code: Code, verb: Verb, section: int = TABLE, arg: int = 0) -> None:
        """The board must refuse it, with this reason."""
        result = await self.ask(self.order(verb, section, arg))
        _expect_code(result, code, verb, section)

    async def refused_all(self, orders: Iterable[tuple[Code, Command]]) -> None:
        """Each must be refused with its reason; all are sent at once."""
        wanted = list(orders)
        mark = self.mark()
        self.host.send(*(order for _, order in wanted))
        for code, order in wanted:
            result = await self.result(order.cmd_id, since=mark)
            _expect_code(result, code, order.verb, order.section)

    # Hearing

    def mark(self) -> int:
        """The place of what comes next."""
        return len(self.host.heard)

    async def hear(
        self,
        kind: type[Message],
        wanted: Callable[..., bool],
        expected: str,
        *,
        within_us: int = ANSWER_US,
        since: int = 0,
    ) -> Heard:
        """The first message of that kind that is wanted."""
        return await self.host.until(
            lambda heard: isinstance(heard.message, kind) and wanted(heard.message),
            expected,
            within_us=within_us + self.slack.patience_us,
            since=since,
        )

    async def status(
        self,
        wanted: Callable[[Status], bool],
        expected: str,
        *,
        within_us: int = 25_000,
        since: int | None = None,
    ) -> Status:
        """The first STATUS that is wanted, the newest that came included."""
        heard = await self.hear(
            Status,
            wanted,
            expected,
            within_us=within_us,
            since=self._newest_status() if since is None else since,
        )
        assert isinstance(heard.message, Status)  # noqa: S101 - `hear` gives what is asked for
        return heard.message

    def _newest_status(self) -> int:
        heard = self.host.heard
        places = (at for at in reversed(range(len(heard))) if isinstance(heard[at].message, Status))
        return next(places, len(heard))

    async def fresh_status(self) -> Status:
        """The next STATUS that comes."""
        return await self.status(lambda _: True, "a STATUS every 20 ms", since=self.mark())

    async def phase(
        self, section: int, phase: Phase, *, within_us: int = 25_000, since: int | None = None
    ) -> Status:
        """Wait until the section's STATUS says so."""
        return await self.status(
            lambda s: s.sections[section].phase == phase,
            f"{section_in_words(section)} in {phase.name}",
            within_us=within_us,
            since=since,
        )

    async def faulted(self, section: int, fault: Fault, *, within_us: int = 25_000) -> Status:
        """Wait until the section is in FAULT, for this cause, with its event and without outputs."""
        status = await self.phase(section, Phase.FAULT, within_us=within_us)
        part = status.sections[section]
        expect(part.fault == fault, f"FAULT {fault.name}", word(Fault, part.fault))
        expect(not part.outputs, "no output driven in FAULT", Output(part.outputs))
        event = await self.event(Kind.FAULT, section)
        expect(event.a == fault, f"FAULT event with code {fault.name}", word(Fault, event.a))
        return status

    async def flag(self, flag: Flag, *, on: bool, within_us: int = 25_000) -> Status:
        return await self.status(
            lambda s: bool(s.flags & flag) is on,
            f"flag {flag.name} {'set' if on else 'clear'}",
            within_us=within_us,
        )

    async def event(
        self, kind: Kind, section: int = TABLE, *, after: int = 0, within_us: int = 25_000
    ) -> Event:
        """The first event of that kind since the check began, with a number above `after`."""
        heard = await self.hear(
            Event,
            lambda e: e.kind == kind and e.section == section and e.event_seq > after,
            f"EVENT {kind.name} of {section_in_words(section)}",
            within_us=within_us,
        )
        assert isinstance(heard.message, Event)  # noqa: S101 - `hear` gives what is asked for
        return heard.message

    def events(self, kind: Kind | None = None) -> list[Event]:
        """The events of this check, each once, as they came."""
        told = {
            h.message.event_seq: h.message for h in self.host.heard if isinstance(h.message, Event)
        }
        return [event for event in told.values() if kind in (None, event.kind)]

    async def time(self) -> TimeReply:
        """A question that is answered in order: what was sent before has been judged by then."""
        stamp = self.host.clock.monotonic_us()
        mark = self.mark()
        self.host.send(Time(stamp))
        heard = await self.hear(
            TimeReply, lambda m: m.host_us == stamp, "TIME_REPLY with its host_us", since=mark
        )
        assert isinstance(heard.message, TimeReply)  # noqa: S101 - `hear` gives what is asked for
        return heard.message

    def section(self, number: int) -> SectionStatus:
        """The section by the newest STATUS."""
        message = self.host.heard[self._newest_status()].message
        assert isinstance(message, Status)  # noqa: S101 - it was looked for by its type
        return message.sections[number]


def _expect_code(result: Result, code: Code, verb: int, section: int) -> None:
    expect(
        result.code == code,
        f"RESULT {code.name} for {word(Verb, verb)} {section_in_words(section)}",
        f"{word(Code, result.code)} in {word(Phase, result.phase)}",
    )
