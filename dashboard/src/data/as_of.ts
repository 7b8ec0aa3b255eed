/** Back in time: the event that every panel shows, kept in the address so that it can be passed on. */

import { Cell } from "./emitter";

const PARAMETER = "as_of";

export function asOfIn(search: string): number | null {
  const text = new URLSearchParams(search).get(PARAMETER);
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** The query of an address with the instant put in, or taken out. */
export function withAsOf(search: string, seq: number | null): string {
  const parameters = new URLSearchParams(search);
  if (seq === null) parameters.delete(PARAMETER);
  else parameters.set(PARAMETER, String(seq));
  const text = parameters.toString();
  return text ? `?${text}` : "";
}

/** null: now. */
export const asOfSeq = new Cell<number | null>(
  typeof location === "undefined" ? null : asOfIn(location.search),
);
