// One section of the table as a card: what it is, what it carries, what a hand may do to it.

import { act } from "./act.js";
import { Controls } from "./controls.js";
import { html } from "./html.js";
import { Height, Icon } from "./icons.js";
import { freshness, holding, now, silentS, table, tableAt } from "./link.js";
import { knownPhase, rounded, wordsOf } from "./words.js";

/** @typedef {import("./types.js").Section} Section */

/** @param {{name: import("./types.js").SectionName}} props */
export function Card({ name }) {
  const lost = freshness.value === "lost";
  const section = lost ? null : (table.value?.sections[name] ?? null);
  const phase = section === null ? "UNKNOWN" : knownPhase(section.phase);
  return html`<article class="card" data-section=${name} data-phase=${phase} aria-labelledby=${name}>
    <header>
      <h2 id=${name}>${name}</h2>
      <${Height} height=${section?.height ?? "unknown"} />
    </header>
    <div class="state" role="status" aria-atomic="true">
      <${Icon} name=${wordsOf(phase).icon} />
      <p class="word">${wordsOf(phase).word}</p>
      <${Meaning} phase=${phase} section=${section} />
    </div>
    <${Readings} name=${name} section=${section} />
    <${Ready} name=${name} phase=${phase} section=${section} />
    <${Controls} name=${name} phase=${phase} section=${section} />
  </article>`;
}

/** @param {{phase: string, section: Section|null}} props */
function Meaning({ phase, section }) {
  if (phase === "ARMED" && section?.armed_until_ms != null) {
    const leftMs = Math.max(0, tableAt.value + section.armed_until_ms - now.value);
    return html`<p class="means">
      <span class="countdown" aria-hidden="true">${(leftMs / 1000).toFixed(1)} s</span>
      ${wordsOf(phase).means}
    </p>`;
  }
  if (phase === "FAULT" && section?.fault) {
    return html`<p class="means"><strong class="code">${section.fault.code}</strong></p>`;
  }
  return html`<p class="means">${wordsOf(phase).means}</p>`;
}

/** @param {{name: import("./types.js").SectionName, section: Section|null}} props */
function Readings({ name, section }) {
  return html`<dl class="readings">
    <div>
      <dt>Load</dt>
      <dd><${Newton} value=${quiet(section?.load_n)} /></dd>
    </div>
    <div class="tension">
      <dt>Tension</dt>
      <dd><${Tension} name=${name} tension=${section?.tension ?? null} /></dd>
    </div>
    <div>
      <dt>Last drop</dt>
      <dd><${LastDrop} drop=${section?.last_drop ?? null} /></dd>
    </div>
  </dl>`;
}

const TENSION_STEP_N = 10;
const NOISE_N = 10;

/**
 * An empty section's cell shows its noise, with a sign; to the eye that is nothing.
 * @param {number|null|undefined} loadN
 */
function quiet(loadN) {
  return loadN != null && Math.abs(loadN) < NOISE_N ? 0 : loadN;
}

/** @param {{name: import("./types.js").SectionName, tension: import("./types.js").Tension|null}} props */
function Tension({ name, tension }) {
  const set = tension?.set_n ?? null;
  const may = freshness.value === "live" && holding.value && set !== null;
  const change = (/** @type {number} */ by) => () =>
    may && act(`sections/${name}/tension`, { method: "PUT", body: { newton: Math.max(0, set + by) } });
  return html`<button
      type="button"
      class="step"
      aria-label=${`Less tension, ${name}`}
      aria-disabled=${!may}
      onClick=${change(-TENSION_STEP_N)}
    >
      −
    </button>
    <span class="set">
      <${Newton} value=${set} />
      ${set !== null && html`<small>measured ${rounded(tension?.measured_n)}</small>`}
      ${set !== null && !tension?.confirmed && html`<${Confirm} may=${may} confirm=${change(0)} />`}
    </span>
    <button
      type="button"
      class="step"
      aria-label=${`More tension, ${name}`}
      aria-disabled=${!may}
      onClick=${change(TENSION_STEP_N)}
    >
      +
    </button>`;
}

/**
 * The tension may be the last patient's: whoever sets it, or touches this, answers for it.
 * @param {{may: boolean, confirm: () => void}} props
 */
function Confirm({ may, confirm }) {
  return html`<button type="button" class="confirm" aria-disabled=${!may} onClick=${confirm}>
    Confirm
  </button>`;
}

/** @param {{value: number|null|undefined}} props */
function Newton({ value }) {
  if (value === null || value === undefined) {
    return html`<span class="none" role="img" aria-label="not known">–</span>`;
  }
  return html`<span class="figure">${rounded(value)}</span> <abbr title="newton">N</abbr>`;
}

/** @param {{drop: import("./types.js").Drop|null}} props */
function LastDrop({ drop }) {
  if (drop === null) return html`<span class="none" role="img" aria-label="none">–</span>`;
  const fall = drop.fall_ms === null ? "?" : rounded(drop.fall_ms);
  return html`<span class="figure">${fall}</span> <abbr title="milliseconds">ms</abbr>
    <small>peak ${rounded(drop.peak_n)} N<span class="number">, no. ${drop.seq}</span></small>`;
}

/** @param {{name: string, phase: string, section: Section|null}} props */
function Ready({ name, phase, section }) {
  return html`<div class="ready" id=${`why-${name}`}><${Why} phase=${phase} section=${section} /></div>`;
}

/** @param {{phase: string, section: Section|null}} props */
function Why({ phase, section }) {
  if (section === null) {
    const silent = silentS.value;
    const heard = silent === null ? "Nothing heard yet." : `Last word ${silent} s ago.`;
    return html`<p class="soft">${heard}</p>`;
  }
  if (phase === "ARMED") {
    return html`<p>The pin goes in by itself when the time is over.</p>`;
  }
  if (phase === "FAULT" && section.fault) {
    return html`<p class="why">
      ${section.fault.text} <span class="remedy">${section.fault.remedy}</span>
    </p>`;
  }
  // What comes next in the section's life: what is up is armed, what is down is raised.
  const [wish, reasons] =
    section.height === "up" ? ["arm", section.ready.arm] : ["cock", section.ready.cock];
  const [first, ...rest] = reasons;
  if (first === undefined) {
    return html`<p class="yes"><${Icon} name="check" /> Ready to ${wish}</p>`;
  }
  return html`<p class="label">
      Not ready to ${wish} ${rest.length > 0 && html`<span class="more">+${rest.length} more</span>`}
    </p>
    <p class="why">${first.text} <span class="remedy">${first.remedy}</span></p>`;
}
