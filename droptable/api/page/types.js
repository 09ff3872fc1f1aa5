// The shapes that the daemon sends, for the editor and the reader. Types only; see /openapi.json.

/** @typedef {{code: string, text: string, remedy: string}} Reason */

/** @typedef {{set_n: number|null, measured_n: number|null, confirmed: boolean}} Tension */

/**
 * @typedef {{seq: number, time: string, fall_ms: number|null, peak_n: number, release_n: number}} Drop
 */

/**
 * @typedef {object} Section
 * @property {string} phase
 * @property {Reason|null} fault
 * @property {'up'|'down'|'between'|'unknown'} height
 * @property {number|null} load_n
 * @property {Tension} tension
 * @property {number|null} armed_until_ms
 * @property {Drop|null} last_drop
 * @property {{cock: Reason[], arm: Reason[], lock: Reason[]}} ready
 */

/**
 * @typedef {object} Snapshot
 * @property {string} table
 * @property {string} boot
 * @property {number} state_seq
 * @property {number|null} age_ms
 * @property {{state: string, problem: string|null, simulator: boolean}} link
 * @property {{latched: boolean|null, unconfirmed: boolean, estop_open: boolean|null}} stop
 * @property {{holder: string|null, expires_ms: number|null}} lease
 * @property {'ok'|'failed'} journal
 * @property {Record<SectionName, Section>} sections
 */

/** @typedef {'thoracic'|'lumbar'|'pelvic'} SectionName */

export {};
