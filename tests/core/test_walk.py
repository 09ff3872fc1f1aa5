"""Whatever happens in whatever order: every promise of `bench` holds after every step.

The walk is seeded: a failure names its seed, and the same seed walks the same way.
"""

from collections.abc import Callable
from functools import partial
from random import Random

import pytest

from droptable.core import effects as do
from droptable.core import events as ev
from droptable.core.faults import Clearing, fault_named
from droptable.core.model import Control, LegLength, Pending, Phase, Role, Standing, Verb
from droptable.core.step import wake_us
from droptable.sections import Section
from tests.core.bench import (
    ANN,
    BOB,
    COMPLETE,
    MS,
    OTHER_PAGE,
    PAGE,
    TABLE,
    Bench,
    S,
    board,
    settings,
)

STEPS = 4_000
PACES_US = (0, 1, 500, 5 * MS, 20 * MS, 60 * MS, 151 * MS, 400 * MS, 2100 * MS)
VERBS = [verb for verb in Verb if verb is not Verb.RESET_STOP]


class Walk:
    """A board that is mostly sound, people who ask for anything, and a link that breaks."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.bench = Bench(settings(self.dice.choice([None, "BENCH001"])))
        self.boot_id = 1
        self.recorded: list[ev.BoardEventHeard] = []
        self.durable: set[tuple[int, int]] = set()
        self.done: list[int] = []
        self.began: set[Control] = set()

    def run(self) -> None:
        self.bench.ready(Phase.COCKED)
        for _ in range(STEPS):
            self.pass_some_time()
            self.dice.choices(*zip(*self.choices(), strict=True))[0]()
            self.look()
        # Nobody is left without an answer when the board is gone for good.
        self.bench.take(ev.LinkTrouble("LINK_VANISHED", "gone"))
        self.look()
        assert self.bench.asked == []

    def pass_some_time(self) -> None:
        bench = self.bench
        if self.dice.random() < 0.9:
            bench.now_us += self.dice.choice(PACES_US[:5])
        else:
            bench.now_us += self.dice.choice(PACES_US)
        due_us = wake_us(bench.state)
        if due_us is not None and due_us <= bench.now_us and self.dice.random() < 0.8:
            bench.take(ev.TimePassed())
            self.look()

    def choices(self) -> list[tuple[Callable[[], object], int]]:
        bench, dice = self.bench, self.dice
        return [
            (self.status, 40),
            (self.change_a_phase, 15),
            (self.ask, 40),
            (self.answer, 40),
            (self.tell_an_event, 10),
            (self.settle_a_record, 20),
            (lambda: bench.take(ev.RoundTrip(dice.choice([MS, MS, MS, 99_999, 100_000]))), 4),
            (lambda: bench.status(lease_live=dice.random() < 0.3), 4),
            (lambda: bench.take(ev.StopAsked("page")), 1),
            (lambda: bench.take(ev.DiskLooked(dice.choice([None, 199, 200, 9_999, 9_999]))), 2),
            (lambda: bench.take(ev.LoopLooked(dice.choice([0, 0, 0, 99_999, 100_000]))), 2),
            (lambda: bench.take(ev.ClockStepped(3_600_000)), 1),
            (lambda: bench.take(ev.WentStale()), 1),
            (lambda: bench.take(ev.SessionOver()), 1),
            (lambda: bench.take(ev.LinkTrouble("LINK_VANISHED", "gone")), 1),
            (lambda: bench.take(ev.JournalHealth(failed=dice.random() < 0.2)), 2),
            (self.open, 6),
            (self.recover, 8),
            (self.touch, 40),
            (self.hold_on, 8),
        ]

    def look(self) -> None:
        """What the bench does not look at: acknowledgements, and where commands come from."""
        for effect in self.bench.did:
            match effect:
                case do.SendEventAck(boot_id, event_seq):
                    on_disk = {(boot_id, seq) for seq in range(1, event_seq + 1)}
                    assert on_disk <= self.durable, "an event is acknowledged past a gap"
                case do.Record(heard=heard) if heard is not None:
                    self.recorded.append(heard)
                case do.SendCommand(cmd_id=cmd_id):
                    assert cmd_id not in self.done, "a command is sent again"
                    self.done.append(cmd_id)
                    self.note_what_began(effect)
                case _:
                    pass
        self.bench.did = ()

    def note_what_began(self, sent: do.SendCommand) -> None:
        state = self.bench.state
        if any(each.finger for each in state.pending if each.cmd_id == sent.cmd_id):
            self.began.add(Control.ARM)
        elif state.gesture is not None and state.gesture.begun:
            self.began.add(state.gesture.control)

    def status(self) -> None:
        stopped = self.bench.table.stopped
        if self.dice.random() < 0.05:
            stopped = not stopped
        self.bench.status(stopped=stopped)

    def change_a_phase(self) -> None:
        self.bench.phases[self.dice.randrange(3)] = self.dice.choice(
            [Phase.LOCKED, Phase.COCKED, *Phase]
        )
        if self.bench.phases.count(Phase.ARMED) > 1:
            self.bench.phases = [Phase.COCKED] * 3
        self.bench.status()

    def ask(self) -> None:
        dice, at = self.dice, Section(self.dice.randrange(3))
        action: ev.Action = dice.choice(
            [
                ev.TakeLease(),
                ev.TakeLease(),
                ev.Do(dice.choice(VERBS), at),
                ev.Do(dice.choice(VERBS), at),
                ev.Do(dice.choice(VERBS), at),
                ev.SetTension(at, dice.choice([1000, 2000, 100])),
                ev.ResetStop(),
                dice.choice([ev.ReleaseLease(), ev.TakeLease(), ev.TakeLease(PAGE)]),
                dice.choice([ev.TakeOverLease(OTHER_PAGE), ev.AnswerTakeOver(give=False)]),
                dice.choice(
                    [
                        ev.StartSeries("p", "three"),
                        ev.StartOwnSeries("o", at, 2, 20 * S),
                        ev.EndSeries(),
                        ev.NoteLegLength(after=False, found=LegLength("left", 5000)),
                    ]
                ),
            ]
        )
        self.bench.ask(action, dice.choice([ANN, ANN, ANN, BOB]))

    def answer(self) -> None:
        """The board answers something that is under way, some of it wrongly, some of it never."""
        state, dice = self.bench.state, self.dice
        if state.params.cmd_id is not None and dice.random() < 0.95:
            at = state.params.todo[0]
            value = self.bench.values.get(at, 1) if dice.random() < 0.98 else 99
            self.bench.take(ev.ParamHeard(state.params.cmd_id, *at, value))
        elif state.tension_pending is not None:
            pending = state.tension_pending
            self.bench.values[pending.section, 11] = pending.tension_dn
            self.bench.take(ev.ParamHeard(pending.cmd_id, pending.section, 11, pending.tension_dn))
        elif state.fall_back is not None and dice.random() < 0.2:
            self.bench.result(state.fall_back.cmd_id, 1)
        elif state.fall_back is not None and dice.random() < 0.8:
            back = state.fall_back
            self.bench.values[back.section, 11] = back.tension_dn
            self.bench.take(ev.ParamHeard(back.cmd_id, back.section, 11, back.tension_dn))
        elif state.pending:
            cmd_id = dice.choice(state.pending).cmd_id
            self.bench.result(cmd_id, dice.choice([0, 0, 0, 1, 12, 200]))
        elif state.stop_wanted is not None:
            self.bench.result(state.stop_wanted.cmd_id)
        else:
            self.bench.result(dice.randrange(1, 0xFFFF), dice.choice([0, 1, 8]))

    def tell_an_event(self) -> None:
        next_seq = self.bench.state.events.next_seq
        seq = max(1, next_seq + self.dice.choice([0, 0, 0, 1, -1, -2]))
        boot_id = self.dice.choice([self.boot_id] * 5 + [99])
        kind = self.dice.choice([4, 5, 6, 7, 7, 11, 200])
        self.bench.event(seq, kind, self.dice.choice([0, 1, 2, 3, 0xFF]), boot_id=boot_id, a=9)

    def settle_a_record(self) -> None:
        if not self.recorded:
            return
        heard = self.recorded.pop(0)
        if self.dice.random() < 0.1:
            self.bench.take(ev.CommitFailed(heard.boot_id, heard.event_seq))
            return
        self.durable.add((heard.boot_id, heard.event_seq))
        self.bench.take(ev.Committed(heard, len(self.durable), "2024-05-06T07:08:09Z"))

    def open(self) -> None:
        restarted = self.dice.random() < 0.1
        self.boot_id += restarted
        first = self.bench.state.events.committed_seq + 1 if not restarted else 1
        hw_id = self.dice.choice(["BENCH001"] * 9 + ["OTHER001"])
        who = board(
            self.bench.values, hw_id=hw_id, boot_id=self.boot_id, first_event_seq=max(first, 1)
        )
        self.bench.open(who, restarted=restarted)

    def recover(self) -> None:
        """The table is put right, so that the walk comes to where things can be done."""
        bench = self.bench
        bench.values, bench.phases = dict(COMPLETE), [Phase.UNKNOWN] * 3
        latched = any(self.needs_restart(each) for each in bench.state.faults)
        self.boot_id += latched
        first = 1 if latched else bench.state.events.committed_seq + 1
        who = board(boot_id=self.boot_id, first_event_seq=first)
        self.each(lambda: bench.open(who, restarted=latched))
        if bench.state.stop_wanted is not None:
            bench.result(bench.state.stop_wanted.cmd_id)
            self.each(lambda: bench.status(stopped=True))
        bench.table = TABLE
        for news in (ev.JournalHealth(failed=False), ev.DiskLooked(9_999), ev.LoopLooked(0)):
            self.each(lambda news=news: bench.take(news))  # type: ignore[misc]
        self.each(lambda: bench.take(ev.RoundTrip(MS)))
        bench.status()
        bench.answer_params()
        self.pass_quietly()
        self.each(lambda: bench.ask(ev.TakeLease()))
        for at in Section:
            self.each(lambda at=at: bench.ask(ev.Do(Verb.HOME, at)))  # type: ignore[misc]
            for pending in bench.state.pending:
                bench.result(pending.cmd_id)
        bench.phases = [self.dice.choice([Phase.COCKED, Phase.LOCKED]), Phase.LOCKED, Phase.LOCKED]
        self.pass_quietly()
        if bench.state.lease is not None:
            bench.confirm()
        cocked = bench.phases[0] is Phase.COCKED
        verb = self.dice.choice([Verb.ARM, Verb.LOCK]) if cocked else Verb.COCK
        self.each(lambda: bench.ask(ev.Do(verb, Section.THORACIC)))

    def pass_quietly(self) -> None:
        for _ in range(9):
            self.bench.now_us += 20 * MS
            self.each(self.bench.status)

    @staticmethod
    def needs_restart(standing: Standing) -> bool:
        return fault_named(standing.code).clearing is Clearing.RESTART

    def touch(self) -> None:
        """A page says something of a finger: mostly what fits, at times what does not."""
        dice, gesture = self.dice, self.bench.state.gesture
        client = dice.choice([PAGE, PAGE, PAGE, OTHER_PAGE])
        intent = dice.randrange(1, self.bench.state.next_intent + 1)
        if gesture is not None and gesture.client is not None and dice.random() < 0.95:
            client, intent = gesture.client, gesture.intent
        at, control = Section(dice.randrange(3)), dice.choice(list(Control))
        says: list[tuple[ev.Touch, int]] = [
            (self.press(client, control, at), 6),
            (ev.Holding(client, intent), 40),
            (ev.Released(client, intent), 1),
            (ev.CommitAsked(client, intent), 1),
            (ev.Alive(client), 6),
            (ev.Hidden(client), 1),
            (ev.ClientLost(client), 1),
        ]
        self.bench.take(dice.choices(*zip(*says, strict=True))[0])

    def press(self, client: int, control: Control, at: Section) -> ev.Pressed:
        actor, current = self.dice.choice([ANN, ANN, BOB]), self.dice.random() < 0.95
        return ev.Pressed(client, actor, Role.OPERATOR, control, at, current)

    def hold_on(self) -> None:
        """A finger, or a foot, that stays for long enough; and a board that does as it is told."""
        bench, dice = self.bench, self.dice
        self.each(lambda: bench.ask(ev.ReleaseLease(), BOB))
        self.recover()
        for pending in bench.state.pending:
            self.each(partial(bench.result, pending.cmd_id, 1))
        bench.phases = [dice.choice([Phase.COCKED, Phase.LOCKED]), Phase.LOCKED, Phase.LOCKED]
        self.each(bench.status)
        self.each(lambda: bench.ask(ev.TakeLease(PAGE)))
        self.each(bench.status)
        controls = {
            Phase.COCKED: [Control.ARM, Control.ARM, Control.LOCK, Control.SERIES],
            Phase.LOCKED: [Control.COCK, Control.SERIES],
        }
        if dice.random() < 0.4:
            self.start_a_series()
        if dice.random() < 0.3:
            self.each(lambda: bench.status(hold_pressed=True))
        else:
            control = dice.choice(controls[bench.phases[0]])
            self.each(lambda: bench.take(self.press(PAGE, control, Section.THORACIC)))
        for _ in range(dice.choice([3, 6, 10, 20])):
            self.stay(100 * MS)
        if bench.state.gesture is not None and dice.random() < 0.7:
            commit = ev.CommitAsked(PAGE, bench.state.gesture.intent)
            self.each(lambda: bench.take(commit))
        if dice.random() < 0.5:
            self.each(lambda: bench.status(hold_pressed=False))

    def start_a_series(self) -> None:
        window_us, drops = self.dice.choice([S, 20 * S]), self.dice.choice([1, 3])
        wanted = ev.StartOwnSeries("s", Section.THORACIC, drops, window_us)
        self.each(lambda: self.bench.ask(wanted))

    def stay(self, us: int) -> None:
        """Time in which the finger is told of, and the board follows what it is asked."""
        bench = self.bench
        for _ in range(us // (20 * MS)):
            bench.now_us += 20 * MS
            self.each(lambda: bench.take(ev.TimePassed()))
            for pending in bench.state.pending:
                self.each(partial(bench.result, pending.cmd_id))
                self.follow(pending)
            self.each(bench.status)
        if bench.state.gesture is not None:
            self.each(partial(bench.take, ev.Holding(PAGE, bench.state.gesture.intent)))

    def follow(self, pending: Pending) -> None:
        ways = {Verb.COCK: Phase.COCKING, Verb.LOCK: Phase.LOWERING, Verb.ARM: Phase.ARMED}
        if pending.section is not None and pending.verb in ways:
            self.bench.phases[pending.section] = ways[pending.verb]
            self.each(self.bench.status)
            if self.dice.random() < 0.7:
                after = Phase.LOCKED if pending.verb is Verb.LOCK else Phase.COCKED
                self.bench.phases[pending.section] = after
                self.each(self.bench.status)

    def each(self, happen: Callable[[], object]) -> None:
        happen()
        self.look()


@pytest.mark.parametrize("seed", range(8))
def test_no_walk_breaks_a_promise(seed: int) -> None:
    walk = Walk(seed)
    walk.run()
    verbs = {command.verb for command in walk.bench.ever(do.SendCommand)}
    assert {Verb.ARM, Verb.COCK, Verb.LOCK} <= verbs, "the walk went nowhere"
    assert walk.began == {Control.COCK, Control.LOCK, Control.ARM, Control.SERIES}
