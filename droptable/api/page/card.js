// One section of the table as a card. Shows; never asks for anything.

import { html } from "./html.js";
import { Height, Icon } from "./icons.js";
import { freshness, now, silentS, table, tableAt } from "./link.js";
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
    <${Readings} section=${section} />
    <${Ready} phase=${phase} section=${section} />
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

/** @param {{section: Section|null}} props */
function Readings({ section }) {
  const tension = section?.tension;
  return html`<dl class="readings">
    <div>
      <dt>Load</dt>
      <dd><${Newton} value=${section?.load_n} /></dd>
    </div>
    <div>
      <dt>Tension</dt>
      <dd>
        <${Newton} value=${tension?.set_n} />
        <${Measured} tension=${tension} />
      </dd>
    </div>
    <div>
      <dt>Last drop</dt>
      <dd><${LastDrop} drop=${section?.last_drop ?? null} /></dd>
    </div>
  </dl>`;
}

/** @param {{tension: import("./types.js").Tension|undefined}} props */
function Measured({ tension }) {
  if (tension === undefined || tension.set_n === null) return null;
  return html`<small>
    measured ${rounded(tension.measured_n)}${tension.confirmed ? "" : ", not confirmed"}
  </small>`;
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
    <small>peak ${rounded(drop.peak_n)} N, no. ${drop.seq}</small>`;
}

/** @param {{phase: string, section: Section|null}} props */
function Ready({ phase, section }) {
  if (section === null) {
    const silent = silentS.value;
    const heard = silent === null ? "Nothing heard yet." : `Last word ${silent} s ago.`;
    return html`<div class="ready" data-ready="unknown"><p>${heard}</p></div>`;
  }
  if (phase === "ARMED") {
    return html`<div class="ready"><p>The pin goes in by itself when the time is over.</p></div>`;
  }
  if (phase === "FAULT" && section.fault) {
    return html`<div class="ready" data-ready="no">
      <p class="why">
        ${section.fault.text} <span class="remedy">${section.fault.remedy}</span>
      </p>
    </div>`;
  }
  const [first, ...rest] = section.ready.arm;
  if (first === undefined) {
    return html`<div class="ready" data-ready="yes">
      <p><${Icon} name="check" /> Ready to arm</p>
    </div>`;
  }
  return html`<div class="ready" data-ready="no">
    <p class="label">
      Not ready to arm ${rest.length > 0 && html`<span class="more">+${rest.length} more</span>`}
    </p>
    <p class="why">${first.text} <span class="remedy">${first.remedy}</span></p>
  </div>`;
}
