// STOP: from the finger to the daemon by every way there is, and an honest word about what became
// of it. Imports nothing, so that no failure elsewhere on the page can take it along. It never
// asks, never waits and never repeats a press.

/** The daemon has this long to take the STOP; after that the red button is the better advice. */
const REACH_MS = 1500;

/** The board shows a latched stop within 20 ms; a second covers every delay worth waiting for. */
const CONFIRM_MS = 1000;

/** How long a bad answer stays once the daemon is heard again. */
const LINGER_MS = 10_000;

const NOTES = {
  idle: "",
  sending: "SENDING",
  sent: "SENT",
  stopped: "STOPPED",
  unconfirmed: "NOT CONFIRMED: LOOK AT THE TABLE",
  unsent: "NOT SENT: USE THE RED BUTTON",
};

/** @typedef {keyof typeof NOTES} StopState */

const button = /** @type {HTMLButtonElement} */ (document.getElementById("stop"));
const note = /** @type {HTMLElement} */ (document.getElementById("stop-note"));

/** @type {StopState} */
let state = "idle";
let press = 0;
let pressedAt = -Infinity;
/** @type {boolean|null} */
let latched = null;
/** Whether the board is heard and knows of no stop. */
let calm = false;
/** @type {(() => boolean)|null} Sends over the socket; false when it is not open. */
let bySocket = null;

/** @param {StopState} next */
function show(next) {
  state = next;
  button.dataset.state = next;
  note.dataset.state = next;
  if (note.textContent !== NOTES[next]) note.textContent = NOTES[next];
}

/** @param {number} mine The press that this is the answer to. */
function taken(mine) {
  if (mine !== press || (state !== "sending" && state !== "unsent")) return;
  show(latched === true ? "stopped" : "sent");
  setTimeout(() => {
    if (mine === press && state === "sent") show("unconfirmed");
  }, CONFIRM_MS);
}

/** @param {number} mine */
function notTaken(mine) {
  if (mine === press && state === "sending") show("unsent");
}

function stop() {
  const mine = ++press;
  pressedAt = performance.now();
  show("sending");
  const socketTookIt = bySocket?.() ?? false;
  fetch("/api/v1/stop", {
    method: "POST",
    keepalive: true,
    cache: "no-store",
    signal: AbortSignal.timeout(REACH_MS),
  }).then(
    (answer) => {
      if (answer.ok) taken(mine);
      else if (!socketTookIt) notTaken(mine);
    },
    () => {
      // With a socket that seems open its answer may still come, until the time is up.
      if (!socketTookIt) notTaken(mine);
    },
  );
  setTimeout(() => notTaken(mine), REACH_MS);
  setTimeout(forget, LINGER_MS + 100);
}

/**
 * Use this to send STOP over the socket as well.
 * @param {(() => boolean)|null} send
 */
export function stopBySocket(send) {
  bySocket = send;
}

/** The daemon answered over the socket that it took the STOP. */
export function stopTaken() {
  taken(press);
}

/**
 * What the board says about the stop; null when nobody knows.
 * @param {boolean|null} isLatched
 * @param {boolean} isUnconfirmed
 */
export function stopSeen(isLatched, isUnconfirmed) {
  latched = isLatched;
  if (latched === true) {
    calm = false;
    // A press that is still on its way is first told that it was taken.
    if (state !== "sending") show("stopped");
    return;
  }
  if (state === "stopped") show("idle");
  calm = latched === false && !isUnconfirmed;
  forget();
}

/** Take back a bad answer that is old, once the board is heard again. */
function forget() {
  const old = performance.now() - pressedAt >= LINGER_MS;
  if (old && calm && (state === "unconfirmed" || state === "unsent")) show("idle");
}

button.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  stop();
});
button.addEventListener("click", (event) => {
  // A pointer has already acted when it went down; detail is 0 for a key or a screen reader.
  if (event.detail === 0) stop();
});
button.addEventListener("contextmenu", (event) => event.preventDefault());
