// The page's icons, drawn for it on a 64 by 64 grid. Decoration only: a word always stands beside.

import { html } from "./html.js";

const ICONS = {
  question: html`
    <circle cx="32" cy="32" r="26" stroke-dasharray="7 6" />
    <path d="M24.5 25.5a8 8 0 1 1 11.8 7c-2.9 1.7-4.3 3.4-4.3 7" />
    <path d="M32 47.500v.1" />`,
  padlock: html`
    <rect class="fill" x="12" y="29" width="40" height="27" rx="5" />
    <path d="M20 29v-8a12 12 0 0 1 24 0v8" />
    <path class="cut" d="M32 39v7" />`,
  rising: html`
    <path class="move up1" d="M16 31 32 17l16 14" />
    <path class="move up2" d="M16 46 32 32l16 14" />
    <path d="M10 57h44" />`,
  up: html`
    <path class="fill" d="M32 6 52 29H40v14H24V29H12z" />
    <path d="M10 56h44M18 50v6M46 50v6" />`,
  armed: html`
    <circle cx="32" cy="32" r="24" />
    <circle class="fill" cx="32" cy="32" r="7" />
    <path d="M32 3v13M32 48v13M3 32h13M48 32h13" />`,
  falling: html`
    <path class="move down1" d="M16 14 32 28l16-14" />
    <path class="move down2" d="M16 30 32 44l16-14" />
    <path d="M10 57h44" />`,
  down: html`
    <path class="fill" d="M32 48 52 25H40V7H24v18H12z" />
    <path d="M10 57h44" />`,
  lowering: html`
    <rect x="12" y="8" width="40" height="9" rx="3" />
    <path class="move down1" d="M32 25v18M20 33l12 11 12-11" />
    <path d="M10 57h44" />`,
  securing: html`
    <rect x="12" y="29" width="40" height="27" rx="5" />
    <path d="M20 29v-8a12 12 0 0 1 23-4.6" />
    <path class="move pin" d="M32 38v9" />`,
  pause: html`
    <path d="M21 4h22l17 17v22L43 60H21L4 43V21z" />
    <path d="M25 23v18M39 23v18" />`,
  triangle: html`
    <path d="M32 7 60 56H4z" />
    <path d="M32 25v14M32 47.500v.1" />`,
  link: html`<path d="M6 42c7 0 7-20 14-20s7 30 13 30 6-40 12-40 5 22 13 22" />`,
  broken: html`<path d="M6 36h14l5-14M58 36H44l-5 14M29 44l-2 8M35 20l2-8" />`,
  hand: html`
    <circle cx="32" cy="20" r="11" />
    <path d="M10 57c2-14 11-21 22-21s20 7 22 21" />`,
  note: html`<circle cx="32" cy="32" r="25" /><path d="M32 29v16M32 19.500v.1" />`,
  check: html`<path d="M12 34 26 48 53 17" />`,
};

/** @typedef {keyof typeof ICONS} IconName */

/** @param {{name: IconName}} props */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 64 64" aria-hidden="true" focusable="false">
    ${ICONS[name]}
  </svg>`;
}

/**
 * Where the section stands between its two stops, seen from the side.
 * @param {{height: 'up'|'down'|'between'|'unknown'}} props
 */
export function Height({ height }) {
  const pad = { up: 8, between: 18, down: 28, unknown: 18 }[height] ?? 18;
  return html`<span class="height" data-height=${height}>
    <span>${height === "unknown" ? "height ?" : height}</span>
    <svg viewBox="0 0 72 44" aria-hidden="true" focusable="false">
      <path class="rail" d="M4 40h64M4 15h8M60 15h8" />
      <rect class="pad" x="15" y=${pad} width="42" height="8" rx="3" />
    </svg>
  </span>`;
}
