/** The state of a margin unit: a word, a shape and a colour, so that no one of them has to be seen. */

import { title } from "../format/words";

/** Shapes grow edges and fill as the state deepens. */
const SHAPES: Record<string, string> = {
  healthy:
    "M6 1.500a4.500 4.500 0 1 1 0 9 4.500 4.500 0 0 1 0-9zm0 1.500a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  warning: "M6 1.500a4.500 4.500 0 1 1 0 9 4.500 4.500 0 0 1 0-9zm0 1.500v6a3 3 0 0 0 0-6z",
  margin_call: "M6 .8 11.500 10.800H.5zm0 3L3 9.300h6z",
  orders_cancelled: "M6 .8 11.500 10.800H.5z",
  partial_reduction: "M6 .3 11.700 6 6 11.700.3 6zM6 2.500v7L9.500 6z",
  full_liquidation: "M1.200 1.200h9.600v9.600H1.200z",
  bankrupt:
    "M2.300.8 6 4.500 9.700.8l1.500 1.500L7.500 6l3.700 3.700-1.500 1.500L6 7.500l-3.700 3.700L.8 9.700 4.500 6 .8 2.300z",
};
const UNKNOWN = "M5 1h2v6H5zM5 9h2v2H5z";

export function StateShape({ state, size = 11 }: { state: string; size?: number }) {
  return (
    <svg
      className={`state-${state}`}
      width={size}
      height={size}
      viewBox="0 0 12 12"
      aria-hidden="true"
      focusable="false"
    >
      <path d={SHAPES[state] ?? UNKNOWN} fill="currentColor" fillRule="evenodd" />
    </svg>
  );
}

export function StateChip({ state }: { state: string }) {
  return (
    <span className={`chip state-${state}`}>
      <StateShape state={state} />
      {title(state)}
    </span>
  );
}
