"""A finger on a control: what the daemon is told of it, and everything that ends it."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import CDPSession, expect

from droptable.daemon.outcome import Felt
from droptable.daemon.snapshot import ReadyShown, StopShown, TensionShown
from droptable.sections import Section
from tests.api.fake import NO_LEASE, NOT_CONFIRMED, FakeHand, refusing, section
from tests.browser.conftest import LANDSCAPE, PORTRAIT, Tablet

pytestmark = [pytest.mark.serial, pytest.mark.asyncio(loop_scope="session")]

SETTLE_S = 1.1
"""What the page waits after a reconnect or a change before it takes a finger."""

FINGER = ("press", "holding", "release", "commit")


@dataclass
class Hands:
    """Fingers on the glass of a tablet that has the lease."""

    tablet: Tablet
    glass: CDPSession

    @property
    def hand(self) -> FakeHand:
        return self.tablet.gateway.hands[-1]

    def told(self) -> list[Any]:
        """What the daemon was told of fingers, without the repeated `holding`."""
        kept: list[Any] = []
        for said in self.tablet.gateway.asked:
            if said[0] in FINGER and not (said[0] == "holding" and said in kept):
                kept.append(said)
        return kept

    async def point(self, name: str, action: str) -> dict[str, float]:
        control = self.tablet.card(name).locator(f".controls [data-action={action}]")
        box = await control.bounding_box()
        assert box is not None
        return {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}

    async def touch(self, *points: dict[str, float]) -> None:
        numbered = [point | {"id": number} for number, point in enumerate(points)]
        await self.glass.send(
            "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": numbered}
        )

    async def move(self, point: dict[str, float]) -> None:
        await self.glass.send(
            "Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point | {"id": 0}]}
        )

    async def lift(self, kind: str = "touchEnd") -> None:
        await self.glass.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": []})

    async def press(self, name: str = "lumbar", action: str = "arm", *, intent: int = 7) -> None:
        """Put a finger on a control; the daemon gives it a number."""
        await self.touch(await self.point(name, action))
        await self.tablet.gateway.until(
            lambda: ("press", *self._pressed(name, action)) in self.told()
        )
        self.hand.tell(Felt(intent))

    def _pressed(self, name: str, action: str) -> tuple[Any, ...]:
        seq = self.tablet.gateway.snapshot().state_seq
        return (action, Section[name.upper()], seq)


@pytest_asyncio.fixture(loop_scope="session")
async def hands(tablet: Tablet) -> AsyncIterator[Hands]:
    """A tablet that has the lease and was looked at for long enough."""
    glass = await tablet.page.context.new_cdp_session(tablet.page)
    tablet.gateway.put(lumbar=section("COCKED"))
    await tablet.page.get_by_role("button", name="Take control").click()
    await expect(tablet.page.locator(".who")).to_have_text("This tablet")
    # The page's own clock; nothing of it can be seen from here.
    await asyncio.sleep(SETTLE_S)
    yield Hands(tablet, glass)


async def test_an_arm_that_is_held_for_a_second_is_committed_once(hands: Hands) -> None:
    began = time.monotonic()
    await hands.press()
    await hands.tablet.gateway.until(lambda: ("commit", 7) in hands.told())
    held_s = time.monotonic() - began
    await hands.lift()
    await hands.tablet.gateway.until(lambda: ("release", 7) in hands.told())
    assert 0.95 < held_s < 1.4
    assert [said[0] for said in hands.told()] == ["press", "holding", "commit", "release"]
    assert [said for said in hands.tablet.gateway.asked if said[0] == "commit"] == [("commit", 7)]


async def test_an_arm_that_is_let_go_before_is_not_committed(hands: Hands) -> None:
    await hands.press()
    await asyncio.sleep(0.85)
    await hands.lift()
    await hands.tablet.gateway.until(lambda: ("release", 7) in hands.told())
    await asyncio.sleep(0.4)
    assert [said[0] for said in hands.told()] == ["press", "holding", "release"]


async def test_the_daemon_hears_of_a_finger_ten_times_a_second(hands: Hands) -> None:
    hands.tablet.gateway.put(lumbar=section("LOCKED"))
    await asyncio.sleep(SETTLE_S)
    await hands.press(action="cock")
    await asyncio.sleep(1.0)
    await hands.lift()
    heard = hands.tablet.gateway.asked.count(("holding", 7))
    assert 7 <= heard <= 11


async def test_a_finger_that_wanders_is_gone(hands: Hands) -> None:
    at = await hands.point("lumbar", "arm")
    await hands.press()
    await hands.move(at | {"x": at["x"] + 20})
    await asyncio.sleep(0.15)
    assert ("release", 7) not in hands.told()
    await hands.move(at | {"x": at["x"] + 26})
    await hands.tablet.gateway.until(lambda: ("release", 7) in hands.told())
    await asyncio.sleep(1.1)
    await hands.lift()
    assert "commit" not in [said[0] for said in hands.told()]


async def test_a_second_finger_ends_the_first_and_begins_nothing(hands: Hands) -> None:
    first, second = await hands.point("lumbar", "arm"), await hands.point("thoracic", "cock")
    await hands.press()
    await hands.touch(first, second)
    await hands.tablet.gateway.until(lambda: ("release", 7) in hands.told())
    await asyncio.sleep(1.1)
    await hands.lift()
    assert [said[0] for said in hands.told()] in (
        ["press", "release"],
        ["press", "holding", "release"],
    )


@pytest.mark.parametrize("ending", ["cancel", "blur", "hidden"])
async def test_whatever_takes_the_finger_away_ends_it(hands: Hands, ending: str) -> None:
    await hands.press()
    match ending:
        case "cancel":
            await hands.lift("touchCancel")
        case "blur":
            await hands.tablet.page.evaluate("window.dispatchEvent(new Event('blur'))")
        case _:
            await hands.tablet.page.evaluate(
                "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
                "document.dispatchEvent(new Event('visibilitychange'))"
            )
            await hands.tablet.gateway.until_asked("hidden")
    await hands.tablet.gateway.until(lambda: ("release", 7) in hands.told())
    if ending != "cancel":
        await hands.lift()


async def test_a_finger_that_is_gone_before_it_has_a_number_is_released_by_it(hands: Hands) -> None:
    await hands.touch(await hands.point("lumbar", "arm"))
    await hands.tablet.gateway.until(lambda: bool(hands.told()))
    await hands.lift()
    hands.hand.tell(Felt(9))
    await hands.tablet.gateway.until(lambda: ("release", 9) in hands.told())
    assert [said[0] for said in hands.told()] == ["press", "release"]


async def test_a_refused_press_says_why_and_is_over(hands: Hands) -> None:
    await hands.touch(await hands.point("lumbar", "arm"))
    await hands.tablet.gateway.until(lambda: bool(hands.told()))
    hands.hand.tell(Felt(None, reasons=(NOT_CONFIRMED,)))
    await expect(hands.tablet.alarm).to_contain_text(NOT_CONFIRMED.text)
    await asyncio.sleep(1.1)
    await hands.lift()
    assert [said[0] for said in hands.told()] == ["press"]


async def test_what_the_daemon_calls_over_is_over(hands: Hands) -> None:
    await hands.press()
    hands.hand.tell(Felt(7, over="phase", text="The section changed while the control was held."))
    await expect(hands.tablet.alarm).to_contain_text("The section changed")
    await asyncio.sleep(1.1)
    await hands.lift()
    assert "commit" not in [said[0] for said in hands.told()]


async def test_a_control_looks_held_and_then_begun(hands: Hands) -> None:
    arm = hands.tablet.card("lumbar").locator("[data-action=arm]")
    await expect(arm).to_have_attribute("data-stage", "idle")
    await hands.press()
    await expect(arm).to_have_attribute("data-stage", "held")
    hands.hand.tell(Felt(7, begun=True))
    await expect(arm).to_have_attribute("data-stage", "begun")
    hands.hand.tell(Felt(7, over="done"))
    await expect(arm).to_have_attribute("data-stage", "idle")
    await hands.lift()


async def test_the_space_bar_holds_as_a_finger_does(hands: Hands) -> None:
    await hands.tablet.card("lumbar").locator("[data-action=arm]").focus()
    await hands.tablet.page.keyboard.down(" ")
    await hands.tablet.gateway.until(lambda: bool(hands.told()))
    hands.hand.tell(Felt(7))
    # A key that is held repeats itself, which is no other press.
    await hands.tablet.page.keyboard.down(" ")
    await hands.tablet.gateway.until(lambda: ("commit", 7) in hands.told())
    await hands.tablet.page.keyboard.up(" ")
    await hands.tablet.gateway.until(lambda: ("release", 7) in hands.told())
    assert [said[0] for said in hands.told()] == ["press", "holding", "commit", "release"]


async def test_a_section_that_has_just_changed_takes_no_finger(hands: Hands) -> None:
    hands.tablet.gateway.put(lumbar=section("COCKED"), pelvic=section("COCKED"))
    await expect(hands.tablet.word("pelvic")).to_have_text("COCKED")
    await hands.touch(await hands.point("pelvic", "arm"))
    await asyncio.sleep(0.3)
    await hands.lift()
    assert hands.told() == []
    await asyncio.sleep(0.6)
    await hands.press("pelvic")
    await hands.lift()


async def test_a_page_that_has_just_come_back_takes_no_finger(hands: Hands) -> None:
    await hands.tablet.page.reload()
    await hands.tablet.page.get_by_role("button", name="Take control").click()
    await expect(hands.tablet.page.locator(".who")).to_have_text("This tablet")
    await hands.touch(await hands.point("lumbar", "arm"))
    await asyncio.sleep(0.3)
    await hands.lift()
    assert hands.told() == []


async def test_without_the_lease_no_control_takes_a_finger(tablet: Tablet) -> None:
    tablet.gateway.put(lumbar=section("COCKED"))
    arm = tablet.card("lumbar").locator("[data-action=arm]")
    await expect(arm).to_have_attribute("aria-disabled", "true")
    await asyncio.sleep(SETTLE_S)
    await arm.dispatch_event("pointerdown", {"button": 0, "isPrimary": True, "pointerId": 1})
    await asyncio.sleep(0.2)
    assert [said for said in tablet.gateway.asked if said[0] in FINGER] == []


async def test_what_has_a_reason_against_it_takes_no_finger_and_names_it(hands: Hands) -> None:
    ready = ReadyShown(cock=(), arm=(NOT_CONFIRMED, NO_LEASE), lock=())
    hands.tablet.gateway.put(lumbar=section("COCKED", height="up", ready=ready))
    arm = hands.tablet.card("lumbar").locator("[data-action=arm]")
    await expect(arm).to_have_attribute("aria-disabled", "true")
    described = await arm.get_attribute("aria-describedby")
    why = hands.tablet.page.locator(f"#{described}")
    await expect(why).to_contain_text(NOT_CONFIRMED.text)
    await asyncio.sleep(SETTLE_S)
    await hands.touch(await hands.point("lumbar", "arm"))
    await asyncio.sleep(0.2)
    await hands.lift()
    assert hands.told() == []


@pytest.mark.parametrize(
    ("phase", "word", "verb"),
    [
        ("ARMED", "DISARM", "disarm"),
        ("UNKNOWN", "HOME", "home"),
        ("FAULT", "CLEAR FAULT", "clear-fault"),
    ],
)
async def test_the_one_way_on_is_one_touch(hands: Hands, phase: str, word: str, verb: str) -> None:
    hands.tablet.gateway.put(lumbar=section(phase))
    await hands.tablet.card("lumbar").get_by_role("button", name=word).click()
    await hands.tablet.gateway.until_asked("act", verb, Section.LUMBAR, "local")


async def test_the_tension_is_set_in_steps_and_confirmed_as_it_is(hands: Hands) -> None:
    unsure = TensionShown(set_n=260.0, measured_n=258.0, confirmed=False)
    hands.tablet.gateway.put(lumbar=section("LOCKED", tension=unsure))
    card = hands.tablet.card("lumbar")
    await card.get_by_role("button", name="More tension").click()
    await hands.tablet.gateway.until_asked("set_tension", Section.LUMBAR, 270.0, "local")
    await card.get_by_role("button", name="Less tension").click()
    await hands.tablet.gateway.until_asked("set_tension", Section.LUMBAR, 250.0, "local")
    await card.get_by_role("button", name="Confirm").click()
    await hands.tablet.gateway.until_asked("set_tension", Section.LUMBAR, 260.0, "local")


async def test_a_stop_is_reset_from_the_alarm_line_and_a_refusal_is_told(hands: Hands) -> None:
    stopped = StopShown(latched=True, unconfirmed=False, estop_open=False)
    hands.tablet.gateway.change(stop=stopped)
    reset = hands.tablet.page.get_by_role("button", name="Reset STOP")
    await reset.click()
    await hands.tablet.gateway.until_asked("reset_stop", "local")
    hands.tablet.gateway.answer = refusing(NOT_CONFIRMED)
    await reset.click()
    hands.tablet.gateway.change(stop=StopShown(latched=False, unconfirmed=False, estop_open=False))
    await expect(hands.tablet.alarm).to_contain_text(NOT_CONFIRMED.text)
    # A browser complains of every refusal by itself.
    assert [each for each in hands.tablet.complaints if "409" not in each] == []
    hands.tablet.complaints.clear()


TOO_SMALL = """() => [...document.querySelectorAll('.card button')].filter((each) => {
  const box = each.getBoundingClientRect();
  const main = ['cock', 'arm'].includes(each.dataset.action);
  return box.height < (main ? 120 : 72) || box.width < (main ? 120 : 72);
}).filter((each) => !each.classList.contains('confirm')).map((each) => each.textContent)"""

OVERLAPPING = """() => {
  const boxes = [...document.querySelectorAll('.controls button, .step')]
    .map((each) => [each.textContent, each.getBoundingClientRect()]);
  return boxes.flatMap(([one, a], at) => boxes.slice(at + 1).filter(([, b]) =>
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
    .map(([other]) => one + other));
}"""


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT], ids=["landscape", "portrait"])
async def test_the_controls_are_large_apart_and_never_move(
    tablet: Tablet, size: dict[str, int]
) -> None:
    await tablet.page.set_viewport_size(size)  # type: ignore[arg-type]
    places = None
    for phase in ("LOCKED", "COCKING", "COCKED", "ARMED", "DROPPED", "HALTED", "FAULT", "UNKNOWN"):
        each = section(phase)
        tablet.gateway.put(thoracic=each, lumbar=each, pelvic=each)
        await expect(tablet.word("pelvic")).to_have_text(phase)
        assert await tablet.page.evaluate(TOO_SMALL) == [], phase
        assert await tablet.page.evaluate(OVERLAPPING) == [], phase
        now = await tablet.page.evaluate(
            "[...document.querySelectorAll('.held[data-action=cock], .held[data-action=arm]')]"
            ".map((each) => Math.round(each.getBoundingClientRect().left))"
        )
        assert places in (None, now), phase
        places = now
