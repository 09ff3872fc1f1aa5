// The socket to the daemon: the newest state, how old it is, and what may be sent back.
// It reconnects for ever, and what it last heard turns into "unknown" by the clock alone. It never
// queues, resumes or repeats what a person asked for.

import { batch, computed, effect, signal } from "@preact/signals";
import { SECTIONS } from "./words.js";
import { stopBySocket, stopSeen, stopTaken } from "./stop.js";

/** @typedef {import("./types.js").Snapshot} Snapshot */
/** @typedef {import("./types.js").Reason} Reason */

/** The daemon beats every 400 ms: three lost beats are a delay, seven are a loss. */
const DELAYED_MS = 1500;
const LOST_MS = 3000;

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 5000;
const RENEW_MS = 1000;
const NOTICE_MS = 6000;
const TICK_MS = 100;

/** Now, on the page's own clock, ten times a second. */
export const now = signal(performance.now());

/** @type {import("@preact/signals").Signal<Snapshot|null>} */
export const table = signal(null);

/** When `table` was received. */
export const tableAt = signal(-Infinity);

/** When anything at all was last heard. */
export const heardAt = signal(-Infinity);

/** The newest word on the age of the board's status, and when it came. */
const age = signal(/** @type {{ms: number|null, at: number}} */ ({ ms: null, at: 0 }));

/** Whether this page took the lease and keeps it. */
export const holding = signal(false);

/** Why the lease was not given, for a few seconds. */
export const notice = signal(/** @type {Reason|null} */ (null));

/** @type {import("@preact/signals").ReadonlySignal<'live'|'delayed'|'lost'>} */
export const freshness = computed(() => {
  const silent = now.value - heardAt.value;
  if (silent > LOST_MS) return "lost";
  return silent > DELAYED_MS ? "delayed" : "live";
});

/** Seconds since anything was heard; null before the first word. */
export const silentS = computed(() =>
  heardAt.value === -Infinity ? null : Math.floor((now.value - heardAt.value) / 1000),
);

/** Age of the board's newest status in tenths of a second; null when there is none. */
export const ageTenths = computed(() =>
  age.value.ms === null ? null : Math.floor((age.value.ms + now.value - age.value.at) / 100),
);

/** @type {WebSocket|null} */
let socket = null;
let openedAt = 0;
/** @type {number|null} The state_seq that this socket's last beat told of. */
let announced = null;
let failures = 0;
let noticeTimer = 0;
let joined = -Infinity;
/** @type {Partial<Record<import("./types.js").SectionName, number>>} */
const changed = {};
/** @type {(message: any) => void} */
let felt = () => {};
let lost = () => {};

/** When this page last began to hear the daemon. */
export function joinedAt() {
  return joined;
}

/**
 * When a section last was in another phase than now.
 * @param {import("./types.js").SectionName} section
 */
export function changedAt(section) {
  return changed[section] ?? -Infinity;
}

/**
 * Have `listener` told what the daemon says of fingers.
 * @param {(message: any) => void} listener
 */
export function onFelt(listener) {
  felt = listener;
}

/**
 * Have `listener` called when the socket is lost.
 * @param {() => void} listener
 */
export function onLost(listener) {
  lost = listener;
}

/**
 * Say something to the daemon, now or not at all.
 * @param {object} message
 * @returns {boolean} Whether it went into an open socket.
 */
export function say(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

/** Ask for the lease. */
export function takeLease() {
  say({ type: "lease_take" });
}

/** Give the lease back. */
export function releaseLease() {
  holding.value = false;
  say({ type: "lease_release" });
}

/**
 * Tell whoever looks, for a few seconds.
 * @param {Reason} reason
 */
export function tell(reason) {
  notice.value = reason;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => (notice.value = null), NOTICE_MS);
}

/** @param {Snapshot & {you: string}} state */
function take(state) {
  const old = table.peek();
  const sameRun = old?.boot === state.boot;
  if (sameRun && state.state_seq < old.state_seq) return;
  for (const section of SECTIONS) {
    const before = sameRun ? old.sections[section].phase : null;
    if (before !== state.sections[section].phase) changed[section] = performance.now();
  }
  table.value = state;
  tableAt.value = performance.now();
  age.value = { ms: state.age_ms, at: performance.now() };
  // Only its loss counts: a state from before our lease was given may still be on its way.
  const gone = old?.lease.holder === state.you && state.lease.holder !== state.you;
  if (!sameRun || gone) holding.value = false;
}

/**
 * Only a fresh start tells the whole: when another daemon beats than the one whose state is shown,
 * or when what the last beat announced has not come by the next.
 * @param {{boot: string, state_seq: number}} beat
 */
function checkBeat(beat) {
  const shown = table.peek();
  const replaced = shown !== null && shown.boot !== beat.boot;
  const behind = announced !== null && (shown === null || shown.state_seq < announced);
  announced = beat.state_seq;
  if (replaced || behind) socket?.close();
}

/** @param {any} message */
function hear(message) {
  heardAt.value = now.value = performance.now();
  switch (message.type) {
    case "state":
      take(message);
      break;
    case "heartbeat":
      age.value = { ms: message.age_ms, at: performance.now() };
      checkBeat(message);
      break;
    case "stop_sent":
      stopTaken();
      break;
    case "done":
      if (message.action === "lease_take") holding.value = true;
      break;
    case "pressed":
    case "begun":
    case "over":
      felt(message);
      break;
    case "refused":
      if (message.action === "press") {
        felt(message);
        break;
      }
      holding.value = false;
      tell(message.refused[0]);
      break;
    case "error":
      tell(message);
      break;
  }
}

function connect() {
  const mine = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/v1/ws`);
  socket = mine;
  openedAt = performance.now();
  announced = null;
  let first = true;
  mine.addEventListener("message", (event) => {
    if (mine !== socket) return;
    if (first) joined = performance.now();
    first = false;
    failures = 0;
    batch(() => hear(JSON.parse(event.data)));
  });
  mine.addEventListener("close", () => {
    if (mine === socket) retry();
  });
}

function retry() {
  socket = null;
  holding.value = false;
  lost();
  const longest = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** failures++);
  // Jitter, so that the tablets of a practice do not all come back in the same moment.
  setTimeout(connect, RETRY_FIRST_MS + Math.random() * (longest - RETRY_FIRST_MS));
}

/** A socket that opens but stays silent is as good as none: begin again. */
function giveUpSilence() {
  const since = Math.max(openedAt, heardAt.peek());
  if (socket !== null && performance.now() - since > LOST_MS) {
    const silent = socket;
    retry();
    silent.close();
  }
}

/** Start to listen, for as long as the page lives. */
export function listen() {
  connect();
  stopBySocket(() => say({ type: "stop" }));
  setInterval(() => {
    now.value = performance.now();
    giveUpSilence();
  }, TICK_MS);
  setInterval(() => {
    if (holding.peek() && !document.hidden) say({ type: "alive" });
  }, RENEW_MS);
  effect(() => {
    const stop = freshness.value === "lost" ? null : (table.value?.stop ?? null);
    stopSeen(stop?.latched ?? null, stop?.unconfirmed ?? false);
  });
}
