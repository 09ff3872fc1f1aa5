// The one line that says what is wrong with the table as a whole, gravest first.

import { act } from "./act.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { freshness, notice, table } from "./link.js";
import { SECTIONS } from "./words.js";

/** @typedef {import("./types.js").Snapshot} Snapshot */
/** @typedef {{level: 'grave'|'warn'|'note'|'calm', text: string, remedy?: string, reset?: boolean}} Alarm */

/**
 * @param {Snapshot} state
 * @returns {Alarm|null}
 */
function stopAlarm({ stop }) {
  if (stop.unconfirmed) {
    return {
      level: "grave",
      text: "STOP is not confirmed by the board.",
      remedy: "Look at the table and use the red button.",
    };
  }
  if (stop.estop_open) {
    return { level: "grave", text: "The emergency stop is open.", remedy: "Release it, then reset STOP." };
  }
  if (stop.latched) {
    return { level: "warn", text: "The table is stopped.", remedy: "Nothing moves until STOP is reset.", reset: true };
  }
  return null;
}

/**
 * @param {Snapshot} state
 * @returns {Alarm|null}
 */
function linkAlarm({ link }) {
  if (link.state === "live") return null;
  return {
    level: "grave",
    text: "No word from the board: look at the table.",
    remedy: link.problem ?? "The daemon keeps trying.",
  };
}

/**
 * @param {Snapshot} state
 * @returns {Alarm|null}
 */
function faultAlarm({ sections }) {
  const name = SECTIONS.find((each) => sections[each].fault !== null);
  if (name === undefined) return null;
  const fault = sections[name].fault;
  return { level: "grave", text: `${name}: ${fault?.code}.`, remedy: fault?.remedy };
}

/**
 * @param {Snapshot} state
 * @returns {Alarm|null}
 */
function journalAlarm({ journal }) {
  if (journal === "ok") return null;
  return { level: "grave", text: "The journal cannot be written.", remedy: "Nothing may be armed." };
}

/**
 * What keeps every section from being cocked and from being armed alike.
 * @param {Snapshot} state
 * @returns {Alarm|null}
 */
function sharedReason({ sections }) {
  const lists = SECTIONS.flatMap((name) => [sections[name].ready.cock, sections[name].ready.arm]);
  const shared = lists[0].find((reason) =>
    lists.every((list) => list.some((other) => other.code === reason.code)),
  );
  return shared === undefined ? null : { level: "note", text: shared.text, remedy: shared.remedy };
}

/** @returns {Alarm} */
function alarm() {
  const state = table.value;
  if (state === null || freshness.value === "lost") {
    return {
      level: "grave",
      text: "No word from the daemon: look at the table.",
      remedy: "STOP may not get through. Use the red button.",
    };
  }
  const grave = linkAlarm(state) ?? stopAlarm(state) ?? faultAlarm(state) ?? journalAlarm(state);
  if (grave !== null) return grave;
  if (freshness.value === "delayed") return { level: "warn", text: "The state is delayed." };
  if (notice.value !== null) return { level: "warn", ...notice.value };
  return sharedReason(state) ?? { level: "calm", text: "No alarm." };
}

const ICONS = /** @type {const} */ ({
  grave: "triangle",
  warn: "triangle",
  note: "note",
  calm: "check",
});

export function AlarmLine() {
  const { level, text, remedy, reset } = alarm();
  return html`<div class="alarm" data-level=${level}>
    <${Icon} name=${ICONS[level]} />
    <p role="alert"><strong>${text}</strong>${remedy ? ` ${remedy}` : ""}</p>
    ${reset && html`<button type="button" onClick=${() => act("stop/reset")}>Reset STOP</button>`}
  </div>`;
}
