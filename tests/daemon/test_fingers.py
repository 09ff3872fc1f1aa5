"""Fingers and feet at a whole table: gateway, core, link, the board's law and the mechanics."""

import asyncio
from collections.abc import Callable

from droptable.core.model import Phase
from droptable.daemon.hand import Hand
from droptable.daemon.outcome import Done, Felt
from tests.daemon.practice import PELVIC, TENSION_N, Practice, codes, in_virtual_time

SAFE_WITHIN_US = 60_000
"""One BEAT, and what the board and the mechanics take."""


class Page:
    """A page at the practice's table, its finger, and what it was told."""

    def __init__(self, practice: Practice) -> None:
        self.practice = practice
        self.told: list[Felt] = []
        self.hand: Hand = practice.gateway.join("dr", self.told.append)
        self._staying: asyncio.Task[None] | None = None

    async def take_control(self) -> None:
        """From the practitioner's other page, if that has it."""
        self.practice.let_go()
        assert await self.practice.gateway.take_lease("dr", self.hand.client) == Done()

    def press(self, action: str) -> int | None:
        self.hand.press(action, PELVIC, self.practice.shown.state_seq)
        return self.told[-1].intent

    def hold(self, action: str) -> int:
        """Press, and stay there until `lift`."""
        intent = self.press(action)
        assert intent is not None, self.told[-1]
        self._staying = asyncio.create_task(self._stay(intent), name="finger")
        return intent

    def lift(self) -> None:
        if self._staying is not None:
            self._staying.cancel()

    async def _stay(self, intent: int) -> None:
        while True:
            await self.practice.passes(100_000)
            self.hand.holding(intent)

    @property
    def overs(self) -> list[str]:
        return [felt.over for felt in self.told if felt.over not in (None, "unknown")]


async def at_the_page(practice: Practice) -> Page:
    """The section is LOCKED with its tension, and the control is this page's."""
    await practice.homed()
    await practice.until(lambda: not practice.against("cock"))
    page = Page(practice)
    await page.take_control()
    return page


@in_virtual_time
async def test_a_finger_cocks_and_arms_and_the_page_is_told_each_time(practice: Practice) -> None:
    page = await at_the_page(practice)
    began_us = practice.now_us
    page.hold("cock")
    assert practice.shown.gesture is not None
    assert (practice.shown.gesture.by, practice.shown.gesture.means) == ("dr", "page")
    await practice.in_phase(Phase.COCKING)
    assert 500_000 <= practice.now_us - began_us < 560_000
    await practice.in_phase(Phase.COCKED)
    page.lift()
    assert page.overs == ["done"]
    await practice.until(lambda: not practice.against("arm"))
    intent = page.hold("arm")
    await practice.passes(950_000)
    page.hand.commit(intent)
    await practice.in_phase(Phase.ARMED)
    page.lift()
    assert page.overs == ["done", "done"]
    assert practice.shown.gesture is None


async def raised_a_little(practice: Practice, *, pedal: bool = False) -> Page:
    page = await at_the_page(practice)
    page.hold("cock")
    if pedal:
        await practice.in_phase(Phase.COCKING)
        practice.hand(lambda table: table.pedal(True))
    await practice.until(lambda: practice.truth().height_um > 2_000)
    return page


async def rests_at_once(practice: Practice, lose: Callable[[], object]) -> None:
    lose()
    assert await practice.until(lambda: not practice.driven()) <= SAFE_WITHIN_US
    height_um = practice.truth().height_um
    await practice.in_phase(Phase.HALTED)
    await practice.passes(1_000_000)
    assert abs(practice.truth().height_um - height_um) < 500
    assert practice.section().phase == "HALTED"


@in_virtual_time
async def test_a_finger_that_goes_up_stops_what_moves(practice: Practice) -> None:
    page = await raised_a_little(practice)
    gesture = practice.runner.state.gesture
    assert gesture is not None
    page.lift()
    await rests_at_once(practice, lambda: page.hand.release(gesture.intent))
    assert page.overs == ["released"]


@in_virtual_time
async def test_a_socket_that_is_lost_stops_what_moves(practice: Practice) -> None:
    page = await raised_a_little(practice)
    page.lift()
    await rests_at_once(practice, page.hand.lost)


@in_virtual_time
async def test_a_finger_that_is_not_heard_of_stops_what_moves(practice: Practice) -> None:
    page = await raised_a_little(practice)
    page.lift()
    await practice.until(lambda: practice.shown.gesture is None)
    await rests_at_once(practice, lambda: None)
    assert page.overs == ["gap"]


@in_virtual_time
async def test_the_pedal_does_not_keep_up_what_a_finger_began(practice: Practice) -> None:
    page = await raised_a_little(practice, pedal=True)
    page.lift()
    await rests_at_once(practice, page.hand.lost)


@in_virtual_time
async def test_a_press_on_a_picture_from_before_a_change_or_from_nowhere_is_refused(
    practice: Practice,
) -> None:
    page = await at_the_page(practice)
    old_seq = practice.shown.state_seq
    await practice.gateway.set_tension(PELVIC, TENSION_N + 1, "dr")
    await practice.until(lambda: not practice.against("cock"))
    for seq in (old_seq, practice.shown.state_seq + 1):
        page.hand.press("cock", PELVIC, seq)
        assert [reason.code for reason in page.told[-1].reasons] == ["PICTURE_OLD"]
    changed_seq = practice.shown.state_seq
    await practice.passes(400_000)
    assert practice.shown.state_seq > changed_seq, "readings alone make no picture old"
    page.hand.press("cock", PELVIC, changed_seq)
    assert page.told[-1].intent is not None


async def in_a_series(practice: Practice, drops: int) -> Page:
    page = await at_the_page(practice)
    assert await practice.gateway.start_series(PELVIC, drops, 60.0, "dr") == Done()
    page._staying = asyncio.create_task(_alive(practice, page), name="page")
    return page


async def _alive(practice: Practice, page: Page) -> None:
    while True:
        page.hand.alive()
        await practice.passes(500_000)


@in_virtual_time
async def test_a_foot_on_the_pedal_holds_a_series_on_to_its_last_drop(practice: Practice) -> None:
    page = await in_a_series(practice, 2)
    practice.hand(lambda table: table.pedal(True))
    for _ in range(2):
        await practice.in_phase(Phase.ARMED)
        await practice.until(lambda: practice.truth().pin_position == 0)
        practice.thrust()
        await practice.in_phase(Phase.LOCKED)
        await practice.thrust_is_over()
    await practice.passes(3_000_000)
    assert practice.section().phase == "LOCKED"
    series = practice.shown.series
    assert series is not None
    assert (series.done, series.ended) == (2, "count reached")
    drops = [event for event in practice.journal.events if event.kind == "drop"]
    assert [drop.data["series"] for drop in drops] == [series.id] * 2
    page.lift()


@in_virtual_time
async def test_a_foot_that_leaves_the_pedal_disarms_and_nothing_follows(
    practice: Practice,
) -> None:
    page = await in_a_series(practice, 3)
    practice.hand(lambda table: table.pedal(True))
    await practice.in_phase(Phase.ARMED)
    await practice.until(lambda: practice.truth().pin_position == 0)
    practice.hand(lambda table: table.pedal(False))
    assert await practice.until(lambda: not practice.driven()) <= SAFE_WITHIN_US
    await practice.in_phase(Phase.COCKED)
    await practice.passes(3_000_000)
    assert practice.section().phase == "COCKED"
    assert practice.shown.series is not None
    assert practice.shown.series.ended is None
    practice.hand(lambda table: table.pedal(True))
    await practice.in_phase(Phase.ARMED)
    page.lift()


@in_virtual_time
async def test_a_foot_that_leaves_the_pedal_stops_what_moves(practice: Practice) -> None:
    page = await in_a_series(practice, 3)
    practice.hand(lambda table: table.pedal(True))
    await practice.until(lambda: practice.truth().height_um > 2_000)
    await rests_at_once(practice, lambda: practice.hand(lambda table: table.pedal(False)))
    page.lift()


@in_virtual_time
async def test_a_take_over_disarms_and_the_holder_is_asked(practice: Practice) -> None:
    await practice.armed()
    assert await practice.gateway.take_over("eva") == Done()
    assert await practice.until(lambda: not practice.driven()) <= SAFE_WITHIN_US
    asked = practice.shown.lease
    assert asked.holder == "dr"
    assert asked.take_over is not None
    assert asked.take_over.by == "eva"
    await practice.in_phase(Phase.COCKED)
    assert "TAKE_OVER" in codes(await practice.gateway.act("arm", PELVIC, "dr"))
    assert await practice.gateway.answer_take_over("dr", give=True) == Done()
    assert practice.shown.lease.holder == "eva"
