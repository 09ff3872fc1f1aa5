"""The page shows what the daemon says, as it happens, and what it does not know as unknown."""

import json
import re
from typing import Any

import pytest
from playwright.async_api import WebSocketRoute, expect

from droptable.daemon.snapshot import (
    LeaseShown,
    LinkShown,
    ReadyShown,
    StopShown,
    TensionShown,
)
from tests.api.fake import (
    NO_LEASE,
    NOT_COCKED,
    NOT_CONFIRMED,
    OTHER_LEASE,
    drop,
    refusing,
    section,
)
from tests.api.served import served
from tests.browser.conftest import LANDSCAPE, PORTRAIT, Tablet

pytestmark = [pytest.mark.serial, pytest.mark.asyncio(loop_scope="session")]

STATES = {
    "UNKNOWN": "Look at the table",
    "LOCKED": "Pin in, cannot move",
    "COCKING": "Rising, keep clear",
    "COCKED": "Up, held by the pin",
    "ARMED": "A thrust drops it",
    "DROPPING": "Falling to its stop",
    "DROPPED": "Down, pin going in",
    "LOWERING": "Coming down, keep clear",
    "SECURING": "Pin going in",
    "HALTED": "Stopped halfway",
    "FAULT": "PIN_STUCK_IN",
}
SIZES = pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT], ids=["landscape", "portrait"])

# What a line clamp hides is hidden on purpose.
OVERFLOWING = """() => [...document.querySelectorAll('body *:not(.why *, .alarm p *)')].filter((each) => {
  const box = each.getBoundingClientRect();
  return box.width > 0 && (box.left < 0 || box.top < 0
    || box.right > innerWidth + 0.5 || box.bottom > innerHeight + 0.5);
}).map((each) => each.tagName + '.' + each.getAttribute('class'))"""

SPILLING = """() => [...document.querySelectorAll('.state > *, .readings > *, .ready > *')]
  .filter((each) => {
    const box = each.getBoundingClientRect();
    const room = each.parentElement.getBoundingClientRect();
    return box.top < room.top - 1 || box.bottom > room.bottom + 1 || box.right > room.right + 1;
  }).map((each) => each.closest('.card').dataset.phase + ' ' + each.className)"""


@pytest.mark.parametrize("phase", STATES)
async def test_every_state_has_its_word_its_sentence_and_its_icon(
    tablet: Tablet, phase: str
) -> None:
    tablet.gateway.put(lumbar=section(phase))
    card = tablet.card("lumbar")
    await expect(card.locator(".word")).to_have_text(phase)
    await expect(card.locator(".means")).to_contain_text(STATES[phase])
    await expect(card.locator(".state svg.icon > *").first).to_be_attached()
    await expect(tablet.word("thoracic")).to_have_text("LOCKED")


async def test_no_two_states_look_alike_without_colour(tablet: Tablet) -> None:
    looks: dict[str, str] = {}
    for phase in STATES:
        tablet.gateway.put(lumbar=section(phase))
        await expect(tablet.word("lumbar")).to_have_text(phase)
        icon = await tablet.card("lumbar").locator(".state svg").inner_html()
        assert icon not in looks.values(), phase
        looks[phase] = icon


async def test_a_phase_that_the_page_has_never_heard_of_is_unknown(tablet: Tablet) -> None:
    tablet.gateway.put(pelvic=section("FLOATING"))
    await expect(tablet.word("pelvic")).to_have_text("UNKNOWN")


async def test_the_cards_stand_in_the_tables_order(tablet: Tablet) -> None:
    assert await tablet.page.get_by_role("heading", level=2).all_inner_texts() == [
        "Thoracic",
        "Lumbar",
        "Pelvic",
    ]


async def test_a_card_shows_its_figures_as_they_change(tablet: Tablet) -> None:
    tablet.gateway.put(pelvic=section("LOCKED", load_n=181.6, last_drop=drop(seq=17)))
    card = tablet.card("pelvic")
    await expect(card).to_contain_text("182 N")
    await expect(card).to_contain_text("260 N")
    await expect(card).to_contain_text("measured 259")
    await expect(card).to_contain_text("62 ms")
    await expect(card).to_contain_text("peak 418 N, no. 17")
    tablet.gateway.put(pelvic=section("LOCKED", load_n=240.2))
    await expect(card).to_contain_text("240 N")
    await expect(card).not_to_contain_text("182 N")


async def test_a_figure_that_nobody_knows_is_no_number(tablet: Tablet) -> None:
    unknown = TensionShown(set_n=None, measured_n=None, confirmed=False)
    tablet.gateway.put(pelvic=section("UNKNOWN", load_n=None, tension=unknown))
    await expect(tablet.card("pelvic").get_by_label("not known")).to_have_count(2)


async def test_a_tension_that_nobody_confirmed_says_so(tablet: Tablet) -> None:
    unsure = TensionShown(set_n=260.0, measured_n=258.0, confirmed=False)
    tablet.gateway.put(lumbar=section("COCKED", tension=unsure))
    confirm = tablet.card("lumbar").get_by_role("button", name="Confirm")
    await expect(confirm).to_be_visible()
    tablet.gateway.put(lumbar=section("COCKED"))
    await expect(confirm).to_have_count(0)


async def test_the_time_that_is_left_of_an_arming_counts_down(tablet: Tablet) -> None:
    tablet.gateway.put(lumbar=section("ARMED", armed_until_ms=1200))
    countdown = tablet.card("lumbar").locator(".countdown")
    await expect(countdown).to_have_text(re.compile(r"^(1\.[0-2]|0\.[1-9]) s$"))
    await expect(countdown).to_have_text("0.0 s")


async def test_a_card_shows_the_gravest_reason_and_counts_the_others(tablet: Tablet) -> None:
    ready = ReadyShown(cock=(), arm=(NOT_CONFIRMED, NO_LEASE, NOT_COCKED), lock=())
    tablet.gateway.put(lumbar=section("COCKED", ready=ready))
    shown = tablet.card("lumbar").locator(".ready")
    await expect(shown).to_contain_text(NOT_CONFIRMED.text)
    await expect(shown).to_contain_text(NOT_CONFIRMED.remedy)
    await expect(shown).to_contain_text("+2 more")
    await expect(shown).not_to_contain_text(NO_LEASE.text)
    tablet.gateway.put(lumbar=section("COCKED"))
    await expect(shown).to_have_text("Ready to arm")


async def test_a_fault_tells_its_code_and_its_remedy(tablet: Tablet) -> None:
    tablet.gateway.put(lumbar=section("FAULT"))
    await expect(tablet.card("lumbar")).to_contain_text("Check air and the pin coil, then clear.")
    await expect(tablet.alarm).to_contain_text("lumbar: PIN_STUCK_IN.")


def link(state: str, problem: str | None) -> LinkShown:
    return LinkShown.model_validate(
        {
            "state": state,
            "problem": problem,
            "board": None,
            "firmware": None,
            "simulator": False,
            "round_trip_ms": None,
        }
    )


def stop(
    *, latched: bool = False, unconfirmed: bool = False, estop_open: bool = False
) -> StopShown:
    return StopShown(latched=latched, unconfirmed=unconfirmed, estop_open=estop_open)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"stop": stop(latched=True)}, "The table is stopped."),
        ({"stop": stop(latched=True, estop_open=True)}, "The emergency stop is open."),
        ({"stop": stop(unconfirmed=True)}, "STOP is not confirmed by the board."),
        ({"link": link("stale", "LINK_SILENT: nothing answers.")}, "LINK_SILENT: nothing answers."),
        (
            {"link": link("down", None), "stop": stop(latched=True)},
            "No word from the board: look at the table.",
        ),
        ({"journal": "failed"}, "The journal cannot be written."),
    ],
)
async def test_the_alarm_line_tells_the_gravest(
    tablet: Tablet, changed: dict[str, Any], text: str
) -> None:
    await expect(tablet.alarm).to_contain_text("No alarm.")
    tablet.gateway.change(**changed)
    await expect(tablet.alarm).to_contain_text(text)


async def test_what_keeps_all_three_from_moving_is_told_once(tablet: Tablet) -> None:
    ready = ReadyShown(cock=(NO_LEASE,), arm=(NOT_COCKED, NO_LEASE), lock=())
    every = section("LOCKED", ready=ready)
    tablet.gateway.put(thoracic=every, lumbar=every, pelvic=every)
    await expect(tablet.alarm).to_contain_text(NO_LEASE.text)


async def test_without_the_daemon_everything_is_unknown_and_comes_back_with_it(
    tablet: Tablet,
) -> None:
    tablet.gateway.put(lumbar=section("ARMED", load_n=182.0))
    await expect(tablet.word("lumbar")).to_have_text("ARMED")
    await tablet.end_daemon()
    await expect(tablet.page.locator(".head")).to_contain_text("Delayed")
    await expect(tablet.word("lumbar")).to_have_text("ARMED")
    for name in ("thoracic", "lumbar", "pelvic"):
        await expect(tablet.word(name)).to_have_text("UNKNOWN")
        await expect(tablet.card(name)).to_contain_text("Look at the table")
        await expect(tablet.card(name)).not_to_contain_text("182")
    await expect(tablet.card("lumbar")).to_contain_text(re.compile(r"Last word [3-9] s ago\."))
    await expect(tablet.alarm).to_contain_text("No word from the daemon")
    async with served(tablet.gateway, port=tablet.server.port):
        await expect(tablet.word("lumbar")).to_have_text("ARMED", timeout=15_000)
        await expect(tablet.alarm).to_contain_text("No alarm.")
    assert tablet.gateway.asked == []


async def test_a_daemon_that_was_restarted_is_shown_afresh(tablet: Tablet) -> None:
    for _ in range(5):
        tablet.gateway.put(lumbar=section("COCKED"))
    await expect(tablet.word("lumbar")).to_have_text("COCKED")
    # Another run begins to count anew: what it shows is no older for that.
    tablet.gateway._now = tablet.gateway._now.model_copy(
        update={"boot": "ffff0000", "state_seq": 0}
    )
    tablet.gateway.put(lumbar=section("LOCKED"))
    await expect(tablet.word("lumbar")).to_have_text("LOCKED")


async def test_a_socket_that_is_open_and_silent_is_as_good_as_none(tablet: Tablet) -> None:
    tablet.outage = True
    deaf = True

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: None if deaf else socket.send(message))

    await tablet.page.route_web_socket("**/api/v1/ws", between)
    await tablet.page.reload()
    await expect(tablet.word("lumbar")).to_have_text("UNKNOWN")
    await expect(tablet.card("lumbar")).to_contain_text("Nothing heard yet.")
    async with tablet.page.expect_websocket():
        pass
    deaf = False
    await expect(tablet.word("lumbar")).to_have_text("LOCKED", timeout=15_000)


async def test_a_heartbeat_of_another_daemon_asks_for_everything_again(tablet: Tablet) -> None:
    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def renamed(message: str | bytes) -> None:
            content = json.loads(message)
            if content["type"] == "heartbeat":
                content["boot"] = "another"
            socket.send(json.dumps(content))

        server.on_message(renamed)

    await tablet.page.route_web_socket("**/api/v1/ws", between)
    await tablet.page.reload()
    await expect(tablet.word("lumbar")).to_have_text("LOCKED")
    async with tablet.page.expect_websocket():
        pass


async def test_control_is_taken_kept_and_given_back(tablet: Tablet) -> None:
    button = tablet.page.get_by_role("button", name="Take control")
    await expect(tablet.page.locator(".who")).to_have_text("Nobody")
    await button.click()
    await expect(tablet.page.locator(".who")).to_have_text("This tablet")
    # It renews by itself, and asks no more than once.
    await tablet.gateway.until(lambda: tablet.gateway.asked.count(("alive",)) >= 3)
    assert tablet.gateway.asked.count(("take_lease", "local")) == 1
    await tablet.page.get_by_role("button", name="Give back").click()
    await expect(tablet.page.locator(".who")).to_have_text("Nobody")
    assert tablet.gateway.asked[-1] == ("release_lease", "local")


async def test_control_that_is_refused_says_why_and_is_not_asked_for_again(
    tablet: Tablet,
) -> None:
    tablet.gateway.change(lease=LeaseShown(holder="anna", expires_ms=4000))
    tablet.gateway.answer = refusing(OTHER_LEASE)
    await expect(tablet.page.locator(".who")).to_have_text("anna")
    await tablet.page.get_by_role("button", name="Take control").click()
    await expect(tablet.alarm).to_contain_text(OTHER_LEASE.text)
    await expect(tablet.alarm).to_contain_text("No alarm.", timeout=10_000)
    assert tablet.gateway.asked == [("take_lease", "local")]


async def test_control_that_was_lost_is_not_taken_back(tablet: Tablet) -> None:
    await tablet.page.get_by_role("button", name="Take control").click()
    await expect(tablet.page.locator(".who")).to_have_text("This tablet")
    tablet.gateway.change(lease=LeaseShown(holder="anna", expires_ms=4000))
    await expect(tablet.page.locator(".who")).to_have_text("anna")
    asked = len(tablet.gateway.asked)
    # Long enough for a renewal to be due.
    seq = tablet.gateway.snapshot().state_seq
    tablet.gateway.put(lumbar=section("ARMED", armed_until_ms=1500))
    await expect(tablet.card("lumbar").locator(".countdown")).to_have_text("0.0 s")
    assert tablet.gateway.snapshot().state_seq == seq + 1
    assert tablet.gateway.asked[asked:] == []


@SIZES
async def test_nothing_scrolls_and_nothing_spills(tablet: Tablet, size: dict[str, int]) -> None:
    await tablet.page.set_viewport_size(size)  # type: ignore[arg-type]
    long = NOT_CONFIRMED.model_copy(update={"text": "A very long reason. " * 12})
    ready = ReadyShown(cock=(), arm=(long,) * 9, lock=())
    tablet.gateway.change(
        table="Room 2",
        lease=LeaseShown(holder="a-practitioner-with-a-very-long-name", expires_ms=1),
        stop=stop(latched=True),
        link=link("stale", "LINK_SILENT: " + "nothing answers. " * 12),
    )
    for phase in STATES:
        each = section(phase, ready=ready, load_n=1234.5, last_drop=drop(seq=1_234_567))
        tablet.gateway.put(thoracic=each, lumbar=each, pelvic=each)
        await expect(tablet.word("pelvic")).to_have_text(phase)
        assert await tablet.page.evaluate(OVERFLOWING) == [], phase
        assert await tablet.page.evaluate(SPILLING) == [], phase
        scrolls = await tablet.page.evaluate(
            "[document.scrollingElement.scrollHeight > innerHeight,"
            " document.scrollingElement.scrollWidth > innerWidth]"
        )
        assert scrolls == [False, False], phase
