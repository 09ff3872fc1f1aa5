// A finger on a control, or the space bar. The page tells of it and the daemon decides: nothing here
// is queued, resumed or repeated, and every way of losing the finger ends what it does.

import { signal } from "@preact/signals";
import { changedAt, freshness, joinedAt, onFelt, onLost, say, table, tell } from "./link.js";

/** @typedef {import("./types.js").SectionName} SectionName */
/** @typedef {'cock'|'arm'|'lock'} Action */

/**
 * @typedef {object} Finger
 * @property {SectionName} section
 * @property {Action} action
 * @property {number} at When it came down.
 * @property {number|null} intent The daemon's number of it; null until the daemon has answered.
 * @property {boolean} begun What it is for is on its way.
 */

/** How long an ARM is held: the daemon takes 0.9 to 3 s by its own clock. */
export const ARM_MS = 1000;

/** How long COCK and LOCK are held before anything moves, by the daemon's clock. */
export const MOVE_MS = 500;

const HOLDING_EVERY_MS = 100;
const WANDER_MAX_PX = 24;

/** After a section changed, so that a finger meant for what was there before does nothing. */
const SETTLE_MS = 600;

/** After the page came back, so that someone has looked at it. */
const RECONNECT_MS = 1000;

/** The only finger there is. @type {import("@preact/signals").Signal<Finger|null>} */
export const finger = signal(null);

/** Presses without an answer, in their order; null for one whose finger is gone already.
 * @type {(Finger|null)[]} */
let unanswered = [];

/** @type {Set<number>} */
const touching = new Set();
let pointer = -1;
let from = { x: 0, y: 0 };
let beat = 0;
let committed = false;

/**
 * Why a control does not take a finger now, beside what the daemon has against it.
 * @param {SectionName} section
 */
function tooEarly(section) {
  return freshness.peek() !== "live" || settling(section, performance.now()) || touching.size > 1;
}

/**
 * Whether a section, or the page, has changed so lately that no finger can have meant it.
 * @param {SectionName} section
 * @param {number} at
 */
export function settling(section, at) {
  return at - joinedAt() < RECONNECT_MS || at - changedAt(section) < SETTLE_MS;
}

/**
 * @param {SectionName} section
 * @param {Action} action
 */
function press(section, action) {
  const seq = table.peek()?.state_seq;
  if (finger.peek() !== null || seq === undefined || tooEarly(section)) return;
  if (!say({ type: "press", action, section, state_seq: seq })) return;
  const mine = { section, action, at: performance.now(), intent: null, begun: false };
  finger.value = mine;
  unanswered.push(mine);
  committed = false;
  beat = setInterval(stillThere, HOLDING_EVERY_MS);
}

function stillThere() {
  const held = finger.peek();
  if (held === null || held.intent === null) return;
  if (held.action === "arm" && !committed && performance.now() - held.at >= ARM_MS) {
    committed = true;
    say({ type: "commit", intent: held.intent });
  } else {
    say({ type: "holding", intent: held.intent });
  }
}

/** The finger is gone, in whatever way. */
export function letGo() {
  const held = finger.peek();
  if (held === null) return;
  forget();
  if (held.intent !== null) say({ type: "release", intent: held.intent });
  else unanswered = unanswered.map((each) => (each?.at === held.at ? null : each));
}

function forget() {
  clearInterval(beat);
  pointer = -1;
  finger.value = null;
}

/** @param {any} message What the daemon says of a finger. */
function feel(message) {
  const held = finger.peek();
  switch (message.type) {
    case "pressed": {
      const whose = unanswered.shift();
      if (held !== null && whose?.at === held.at) finger.value = { ...held, intent: message.intent };
      else say({ type: "release", intent: message.intent });
      break;
    }
    case "refused": {
      const whose = unanswered.shift();
      if (held !== null && whose?.at === held.at) forget();
      tell(message.refused[0]);
      break;
    }
    case "begun":
      if (held?.intent === message.intent) finger.value = { ...held, begun: true };
      break;
    case "over":
      if (held?.intent !== message.intent) break;
      forget();
      if (message.refused.length > 0) tell(message.refused[0]);
      else if (message.why !== "done") tell({ code: message.why, text: message.text, remedy: "" });
      break;
  }
}

/**
 * What a control needs to be held by: spread into its element.
 * @param {SectionName} section
 * @param {Action} action
 */
export function held(section, action) {
  return {
    onPointerDown: (/** @type {PointerEvent} */ event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      event.preventDefault();
      press(section, action);
      if (finger.peek() === null) return;
      pointer = event.pointerId;
      from = { x: event.clientX, y: event.clientY };
    },
    onKeyDown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      if (!event.repeat) press(section, action);
    },
    onKeyUp: (/** @type {KeyboardEvent} */ event) => {
      if (event.key === " ") letGo();
    },
    onBlur: letGo,
    onContextMenu: (/** @type {Event} */ event) => event.preventDefault(),
  };
}

/** Watch for everything that ends a gesture, for as long as the page lives. */
export function watchFingers() {
  onFelt(feel);
  onLost(() => {
    unanswered = [];
    letGo();
  });
  addEventListener(
    "pointerdown",
    (event) => {
      touching.add(event.pointerId);
      if (finger.peek() !== null && event.pointerId !== pointer) letGo();
    },
    { capture: true },
  );
  for (const kind of ["pointerup", "pointercancel"]) {
    addEventListener(
      kind,
      (event) => {
        touching.delete(/** @type {PointerEvent} */ (event).pointerId);
        if (/** @type {PointerEvent} */ (event).pointerId === pointer) letGo();
      },
      { capture: true },
    );
  }
  addEventListener("pointermove", (event) => {
    const far = Math.hypot(event.clientX - from.x, event.clientY - from.y) > WANDER_MAX_PX;
    if (event.pointerId === pointer && far) letGo();
  });
  addEventListener("blur", letGo);
  addEventListener("pagehide", letGo);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      letGo();
      say({ type: "hidden" });
    }
  });
}
