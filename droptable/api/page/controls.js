// What a hand does at a section: COCK and ARM side by side, below them LOCK, always in their places.
// In a phase from which there is only one way on, LOCK's place has it: DISARM, HOME, CLEAR FAULT.

import { act } from "./act.js";
import { ARM_MS, MOVE_MS, finger, held, settling } from "./gesture.js";
import { html } from "./html.js";
import { freshness, holding, now } from "./link.js";

/** @typedef {import("./types.js").Section} Section */
/** @typedef {import("./types.js").SectionName} SectionName */

const HELD = {
  cock: { word: "COCK", hint: "hold to raise", ms: MOVE_MS },
  arm: { word: "ARM", hint: "hold 1 s", ms: ARM_MS },
  lock: { word: "LOCK", hint: "hold to lower", ms: MOVE_MS },
};

/** What one touch does; none of it moves anything. @type {Record<string, {word: string, verb: string}>} */
const TOUCHED = {
  ARMED: { word: "DISARM", verb: "disarm" },
  UNKNOWN: { word: "HOME", verb: "home" },
  FAULT: { word: "CLEAR FAULT", verb: "clear-fault" },
};

/** @param {{name: SectionName, phase: string, section: Section|null}} props */
export function Controls({ name, phase, section }) {
  const unseen = section?.ready.lock.some(({ code }) => code === "BOARD_RESTARTED");
  const touched = TOUCHED[phase] ?? (unseen ? TOUCHED.UNKNOWN : undefined);
  return html`<div class="controls" role="group" aria-label=${`Move the ${name} section`}>
    <${Held} name=${name} action="cock" section=${section} />
    <${Held} name=${name} action="arm" section=${section} />
    ${touched
      ? html`<${Touched} name=${name} section=${section} ...${touched} />`
      : html`<${Held} name=${name} action="lock" section=${section} />`}
  </div>`;
}

/** @param {{name: SectionName, action: 'cock'|'arm'|'lock', section: Section|null}} props */
function Held({ name, action, section }) {
  const on = finger.value?.section === name && finger.value.action === action;
  const live = freshness.value === "live" && holding.value && section !== null;
  const may = live && (on || (section.ready[action].length === 0 && !settling(name, now.value)));
  const { word, hint, ms } = HELD[action];
  const stage = !on ? "idle" : finger.value?.begun ? "begun" : "held";
  return html`<button
    type="button"
    class="held"
    data-action=${action}
    data-stage=${stage}
    style=${`--held-ms: ${ms}ms`}
    aria-disabled=${!may}
    aria-describedby=${`why-${name}`}
    ...${may ? held(name, action) : {}}
  >
    <svg class="ring" viewBox="0 0 100 100" aria-hidden="true" focusable="false">
      <circle class="track" cx="50" cy="50" r="44" />
      <circle class="fill" cx="50" cy="50" r="44" pathLength="1" />
    </svg>
    <span class="name">${word}</span>
    <span class="hint">${stage === "begun" ? "keep holding" : hint}</span>
  </button>`;
}

/** @param {{name: SectionName, section: Section|null, word: string, verb: string}} props */
function Touched({ name, section, word, verb }) {
  const may = freshness.value === "live" && section !== null;
  return html`<button
    type="button"
    class="touched"
    data-action=${verb}
    aria-disabled=${!may}
    onClick=${() => may && act(`sections/${name}/${verb}`)}
  >
    ${word}
  </button>`;
}
