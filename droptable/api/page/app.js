// Puts the page together.

import { render } from "preact";
import { AlarmLine } from "./alarm.js";
import { Card } from "./card.js";
import { watchFingers } from "./gesture.js";
import { Header } from "./header.js";
import { html } from "./html.js";
import { listen } from "./link.js";
import { SECTIONS } from "./words.js";

const root = /** @type {HTMLElement} */ (document.getElementById("table"));

render(
  html`
    <${Header} />
    <${AlarmLine} />
    <section class="cards" aria-label="Sections">
      ${SECTIONS.map((name) => html`<${Card} key=${name} name=${name} />`)}
    </section>
  `,
  root,
);

watchFingers();
listen();
