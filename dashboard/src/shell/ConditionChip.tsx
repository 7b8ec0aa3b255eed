/** The condition of the page as a shape, a colour and words. */

import { type Condition, conditionWords } from "../data/condition";

const SHAPES: Record<Condition["kind"], string> = {
  live: "M6 1a5 5 0 1 1 0 10A5 5 0 0 1 6 1z",
  connecting:
    "M6 1a5 5 0 1 1 0 10A5 5 0 0 1 6 1zm0 1.600a3.400 3.400 0 1 0 0 6.800 3.400 3.400 0 0 0 0-6.800z",
  stale: "M6 .8 11.500 10.800H.5z",
  disconnected: "M1.200 1.200h9.600v9.600H1.200z",
  as_of: "M6 .3 11.700 6 6 11.700.3 6z",
};

export function ConditionChip({ condition }: { condition: Condition }) {
  const words = conditionWords(condition);
  return (
    <span className={`condition condition-${condition.kind}`} role="status" title={words}>
      <svg width="11" height="11" viewBox="0 0 12 12" aria-hidden="true" focusable="false">
        <path d={SHAPES[condition.kind]} fill="currentColor" fillRule="evenodd" />
      </svg>
      {words}
    </span>
  );
}
