"""From a change at the board to pixels on the page, in a real browser.

Board and clock of the sender are here, the page's clock is the browser's: both are this machine's
wall clock. A change counts as shown when the frame that carries it has been painted, which a page
learns from a message that it posts to itself in that frame's animation callback.
"""

import asyncio
import shutil
import time

from playwright.async_api import Page, async_playwright

from tests.bench.figures import Figure, absolute, not_measured, percentile
from tests.bench.scripted_board import COCKED, LOCKED, PELVIC
from tests.bench.stage import set_stage
from tests.brokers import LOOPBACK

NAMES = ("change_to_pixels_p95",)
BAR = 50.0
CHANGES, CHANGES_QUICK = 120, 6
PAUSE_S = 0.083
"""Not a multiple of a frame's 16.7 ms, so that changes meet every part of a frame."""

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

CARD = "article[data-section=pelvic]"
WATCH = """selector => {
  window.painted = [];
  const card = document.querySelector(selector);
  const note = phase => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () =>
      window.painted.push([phase, performance.timeOrigin + performance.now()]);
    channel.port2.postMessage(0);
  });
  new MutationObserver(() => note(card.dataset.phase))
    .observe(card, {attributes: true, attributeFilter: ["data-phase"]});
}"""


async def measure(quick: bool) -> list[Figure]:
    """The daemon's own page over the scripted board."""
    if CHROMIUM is None:
        return [not_measured(NAMES[0], "ms", bar=BAR, why="there is no chromium")]
    async with set_stage() as stage, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            page = await browser.new_page()
            await page.goto(f"http://{LOOPBACK}:{stage.daemon.port}/")
            await page.locator(f"{CARD}[data-phase=LOCKED]").wait_for()
            await page.evaluate(WATCH, CARD)
            sent_ms = []
            for turn in range(CHANGES_QUICK if quick else CHANGES):
                sent_ms.append(time.time() * 1000)
                stage.board.show(PELVIC, LOCKED if turn % 2 else COCKED)
                await asyncio.sleep(PAUSE_S)
            await asyncio.sleep(0.5)
            delays_ms = await _delays_ms(page, sent_ms)
        finally:
            await browser.close()
    note = f"p50 {percentile(delays_ms, 50):.0f} ms of {len(delays_ms)} changes"
    return [absolute(NAMES[0], "ms", value=percentile(delays_ms, 95), bar=BAR, note=note)]


async def _delays_ms(page: Page, sent_ms: list[float]) -> list[float]:
    """How long each change took; RuntimeError when the page has not shown every one."""
    painted: list[tuple[str, float]] = await page.evaluate("window.painted")
    phases = [phase for phase, _ in painted]
    if phases != ["LOCKED" if turn % 2 else "COCKED" for turn in range(len(sent_ms))]:
        raise RuntimeError(f"the page has shown {len(phases)} of {len(sent_ms)} changes")
    return [shown - sent for (_, shown), sent in zip(painted, sent_ms, strict=True)]
