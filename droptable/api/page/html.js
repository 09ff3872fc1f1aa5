// One way to write markup for all parts of the page.

import htm from "htm";
import { h } from "preact";

export const html = htm.bind(h);
