// What is asked for with one touch: by HTTP, once, and told if it was refused.

import { tell } from "./link.js";

const ANSWER_MS = 3000;

/**
 * @param {string} path Below /api/v1/.
 * @param {{method?: string, body?: object}} [how]
 * @returns {Promise<boolean>} Whether it was done.
 */
export async function act(path, { method = "POST", body } = {}) {
  try {
    const answer = await fetch(`/api/v1/${path}`, {
      method,
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_MS),
      ...(body && {
        body: JSON.stringify(body),
        headers: { "Content-Type": "application/json" },
      }),
    });
    if (answer.ok) return true;
    const said = await answer.json();
    tell(said.refused?.[0] ?? { code: said.code, text: said.detail ?? said.title, remedy: "" });
  } catch {
    tell({ code: "NO_ANSWER", text: "The daemon did not answer.", remedy: "Look at the table." });
  }
  return false;
}
