"""STOP acts when the finger goes down, by every way there is, and never claims what it cannot know."""

import asyncio
import re

import pytest
from playwright.async_api import Route, expect

from droptable.daemon.snapshot import StopShown
from tests.browser.conftest import LANDSCAPE, PORTRAIT, Tablet

pytestmark = [pytest.mark.serial, pytest.mark.asyncio(loop_scope="session")]

LATCHED = StopShown(latched=True, unconfirmed=False, estop_open=False)
# The fake board never confirms, so a STOP that was taken is soon one that was not confirmed.
TAKEN = re.compile(r"^(SENT|NOT CONFIRMED: LOOK AT THE TABLE)$")

RESET = StopShown(latched=False, unconfirmed=False, estop_open=False)


async def finger_down(tablet: Tablet) -> None:
    """A finger that touches STOP and stays there."""
    box = await tablet.stop.bounding_box()
    assert box is not None
    await tablet.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await tablet.page.mouse.down()


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT], ids=["landscape", "portrait"])
async def test_it_is_large_at_the_edge_and_labelled(tablet: Tablet, size: dict[str, int]) -> None:
    await tablet.page.set_viewport_size(size)  # type: ignore[arg-type]
    box = await tablet.stop.bounding_box()
    assert box is not None
    assert box["width"] >= 168
    assert box["height"] >= 168
    assert size["width"] - (box["x"] + box["width"]) <= 20
    assert (await tablet.stop.inner_text()).strip() == "STOP"


async def test_it_acts_when_the_finger_goes_down_by_socket_and_by_post(tablet: Tablet) -> None:
    await finger_down(tablet)
    await tablet.gateway.until_asked("stop", "page")
    await tablet.gateway.until_asked("stop", "http")
    await expect(tablet.stop_note).to_have_text("SENT")
    await tablet.page.mouse.up()
    await expect(tablet.stop_note).to_have_text("NOT CONFIRMED: LOOK AT THE TABLE")
    # Letting go is not another press.
    assert sorted(tablet.gateway.asked) == [("stop", "http"), ("stop", "page")]


async def test_a_stop_that_the_board_shows_is_told(tablet: Tablet) -> None:
    await finger_down(tablet)
    await tablet.gateway.until_asked("stop", "page")
    tablet.gateway.change(stop=LATCHED)
    await expect(tablet.stop_note).to_have_text("STOPPED")
    await tablet.gateway.until_asked("stop", "http")
    tablet.gateway.change(stop=RESET)
    await expect(tablet.stop_note).to_have_text("")


async def test_a_stop_by_someone_else_is_told_too(tablet: Tablet) -> None:
    tablet.gateway.change(stop=LATCHED)
    await expect(tablet.stop_note).to_have_text("STOPPED")


@pytest.mark.parametrize("key", ["Enter", "Space"])
async def test_it_works_by_key(tablet: Tablet, key: str) -> None:
    await tablet.stop.focus()
    await tablet.page.keyboard.press(key)
    await tablet.gateway.until_asked("stop", "page")
    await tablet.gateway.until_asked("stop", "http")
    await expect(tablet.stop_note).to_have_text(TAKEN)
    assert len(tablet.gateway.asked) == 2


async def test_without_a_socket_it_goes_by_post_alone(tablet: Tablet) -> None:
    tablet.outage = True
    await tablet.page.route_web_socket("**/api/v1/ws", lambda socket: None)
    await tablet.page.reload()
    await finger_down(tablet)
    await tablet.gateway.until_asked("stop", "http")
    await expect(tablet.stop_note).to_have_text(TAKEN)


async def test_without_post_it_goes_by_socket_alone(tablet: Tablet) -> None:
    tablet.outage = True

    async def cut(route: Route) -> None:
        await route.abort()

    await tablet.page.route("**/api/v1/stop", cut)
    await finger_down(tablet)
    await tablet.gateway.until_asked("stop", "page")
    await expect(tablet.stop_note).to_have_text("SENT")
    assert tablet.gateway.asked == [("stop", "page")]


async def test_it_works_while_the_rest_of_the_page_does_not(tablet: Tablet) -> None:
    tablet.outage = True

    async def cut(route: Route) -> None:
        await route.abort()

    await tablet.page.route("**/modules/**", cut)
    await tablet.page.route("**/app.js", cut)
    await tablet.page.reload()
    await finger_down(tablet)
    await tablet.gateway.until_asked("stop", "http")
    await expect(tablet.stop_note).to_have_text(TAKEN)


async def test_without_the_daemon_it_sends_people_to_the_red_button(tablet: Tablet) -> None:
    await tablet.end_daemon()
    await finger_down(tablet)
    await expect(tablet.stop_note).to_have_text("NOT SENT: USE THE RED BUTTON")
    assert tablet.gateway.asked == []


async def test_a_daemon_that_does_not_answer_is_not_believed(tablet: Tablet) -> None:
    tablet.outage = True
    over = asyncio.Event()

    async def hang(route: Route) -> None:
        await over.wait()
        await route.abort()

    await tablet.page.route_web_socket("**/api/v1/ws", lambda socket: None)
    await tablet.page.route("**/api/v1/stop", hang)
    await tablet.page.reload()
    await finger_down(tablet)
    await expect(tablet.stop_note).to_have_text("SENDING")
    await expect(tablet.stop_note).to_have_text("NOT SENT: USE THE RED BUTTON")
    over.set()
    await tablet.page.unroute_all(behavior="wait")


async def test_a_press_is_not_repeated_when_the_daemon_returns(tablet: Tablet) -> None:
    tablet.outage = True
    cut_off = True

    async def between(route: Route) -> None:
        await (route.abort() if cut_off else route.continue_())

    await tablet.page.route("**/api/v1/stop", between)
    await tablet.page.route_web_socket("**/api/v1/ws", lambda socket: None)
    await tablet.page.reload()
    await finger_down(tablet)
    await expect(tablet.stop_note).to_have_text("NOT SENT: USE THE RED BUTTON")
    await tablet.page.mouse.up()
    cut_off = False
    await tablet.page.unroute_all()
    # The page that was replaced said that nobody sees it any more.
    tablet.gateway.asked.remove(("hidden",))
    assert tablet.gateway.asked == []
    await finger_down(tablet)
    await tablet.gateway.until_asked("stop", "http")
    assert tablet.gateway.asked == [("stop", "http")]
