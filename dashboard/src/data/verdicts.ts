/** What the engine thinks of a source or an index, as a tone. */

export type Tone = "good" | "doubt" | "bad" | "muted";

const GOOD = new Set(["used", "healthy", "fresh", "decided", "believed", "good"]);
const QUIET = new Set(["standby", "none", "unseen", "up"]);
const BAD = new Set(["invalid", "absurd", "silent", "unfit"]);

/** used, healthy, fresh, believed: good. standby: muted. invalid, absurd, silent: bad. Any other: doubted. */
export function toneOf(word: string): Tone {
  if (GOOD.has(word)) return "good";
  if (QUIET.has(word)) return "muted";
  return BAD.has(word) ? "bad" : "doubt";
}
