// What each phase is called on the page, what it means to whoever stands there, and its icon.

/**
 * @typedef {object} PhaseWords
 * @property {string} word
 * @property {string} means
 * @property {import("./icons.js").IconName} icon
 */

/** @type {Record<string, PhaseWords>} */
const PHASES = {
  UNKNOWN: { word: "UNKNOWN", means: "Look at the table", icon: "question" },
  LOCKED: { word: "LOCKED", means: "Pin in, cannot move", icon: "padlock" },
  COCKING: { word: "COCKING", means: "Rising, keep clear", icon: "rising" },
  COCKED: { word: "COCKED", means: "Up, held by the pin", icon: "up" },
  ARMED: { word: "ARMED", means: "A thrust drops it", icon: "armed" },
  DROPPING: { word: "DROPPING", means: "Falling to its stop", icon: "falling" },
  DROPPED: { word: "DROPPED", means: "Down, pin going in", icon: "down" },
  LOWERING: { word: "LOWERING", means: "Coming down, keep clear", icon: "lowering" },
  SECURING: { word: "SECURING", means: "Pin going in", icon: "securing" },
  HALTED: { word: "HALTED", means: "Stopped halfway", icon: "pause" },
  FAULT: { word: "FAULT", means: "Needs attention", icon: "triangle" },
};

/** @type {readonly import("./types.js").SectionName[]} In the order of the table, head first. */
export const SECTIONS = ["thoracic", "lumbar", "pelvic"];

/**
 * A phase that this page has never heard of is as unknown as no phase at all.
 * @param {string} phase
 */
export function knownPhase(phase) {
  return Object.hasOwn(PHASES, phase) ? phase : "UNKNOWN";
}

/** @param {string} phase One that `knownPhase` gave. */
export function wordsOf(phase) {
  return PHASES[phase];
}

/**
 * A number for the eye; a dash where nothing is known.
 * @param {number|null|undefined} value
 */
export function rounded(value) {
  return value === null || value === undefined ? "–" : String(Math.round(value));
}
