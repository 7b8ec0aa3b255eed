/** What the engine thinks of a source or an index: the word, with a shape and a colour. */

import { toneOf } from "../data/verdicts";
import { words } from "../format/words";

const SHAPES = {
  good: "M6 1.800a4.200 4.200 0 1 1 0 8.400 4.200 4.200 0 0 1 0-8.400z",
  muted:
    "M6 1.500a4.500 4.500 0 1 1 0 9 4.500 4.500 0 0 1 0-9zm0 1.500a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  doubt: "M6 .8 11.500 10.800H.5z",
  bad: "M1.200 1.200h9.600v9.600H1.200z",
} as const;

export function VerdictChip({ verdict }: { verdict: string }) {
  return (
    <span className={`chip ${toneOf(verdict)}`}>
      <VerdictShape verdict={verdict} />
      {words(verdict)}
    </span>
  );
}

/** The shape alone, where the word stands beside it in another form. */
export function VerdictShape({ verdict }: { verdict: string }) {
  const tone = toneOf(verdict);
  return (
    <svg
      className={tone}
      width="10"
      height="10"
      viewBox="0 0 12 12"
      aria-hidden="true"
      focusable="false"
    >
      <path d={SHAPES[tone]} fill="currentColor" fillRule="evenodd" />
    </svg>
  );
}
