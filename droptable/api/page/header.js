// The page's head: which table, how fresh what is shown is, and who controls it.

import { html } from "./html.js";
import { Icon } from "./icons.js";
import { ageTenths, freshness, holding, releaseLease, silentS, table, takeLease } from "./link.js";

export function Header() {
  return html`<header class="head">
    <h1>
      ${table.value?.table ?? "Drop table"}
      ${table.value?.link.simulator && html`<span class="badge">Simulator</span>`}
    </h1>
    <${Link} />
    <${Control} />
  </header>`;
}

const BOARD = {
  live: "Live",
  opening: "Opening the board",
  stale: "Board silent",
  down: "No board",
  refused: "Board refused",
};

function Link() {
  const fresh = freshness.value;
  const board = table.value?.link.state ?? "down";
  const good = fresh === "live" && board === "live";
  return html`<p class="link" data-freshness=${fresh} data-good=${good}>
    <${Icon} name=${good ? "link" : "broken"} />
    <span>${fresh === "live" ? BOARD[board] : fresh === "delayed" ? "Delayed" : "No daemon"}</span>
    <span class="age">${ageText(fresh)}</span>
  </p>`;
}

/** @param {'live'|'delayed'|'lost'} fresh */
function ageText(fresh) {
  if (fresh !== "live") return silentS.value === null ? "" : `${silentS.value} s`;
  const tenths = ageTenths.value;
  return tenths === null ? "" : `${(Math.max(0, tenths) / 10).toFixed(1)} s`;
}

function Control() {
  const known = freshness.value !== "lost" && table.value !== null;
  const holder = known ? table.value.lease.holder : null;
  const mine = known && holding.value && holder !== null;
  const who = !known ? "–" : mine ? "This tablet" : (holder ?? "Nobody");
  return html`<div class="control">
    <p><${Icon} name="hand" /><span class="label">Control</span> <span class="who">${who}</span></p>
    <button type="button" disabled=${!known} onClick=${mine ? releaseLease : takeLease}>
      ${mine ? "Give back" : "Take control"}
    </button>
  </div>`;
}
