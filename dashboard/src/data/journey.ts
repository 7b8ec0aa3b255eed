/** On the way to another instant: where to, where from, and how far a replay is. */

import { Cell } from "./emitter";

export interface Journey {
  /** The event that is gone to; null: now. */
  to: number | null;
  /** Where the page was before, to turn back to. */
  from: number | null;
  /** The fraction of a long replay that is done, null before it is told. */
  fraction: number | null;
}

/** null: the page is where its address says. */
export const journey = new Cell<Journey | null>(null);

let last: number | null = null;

/** A way begins; one that is under way keeps the place that it began at. */
export function departed(to: number | null): void {
  journey.set({ to, from: journey.get()?.from ?? last, fraction: null });
}

/** A replay to an event is so far; what is told of another event is of an older wish. */
export function progressed(seq: number, fraction: number): void {
  const going = journey.get();
  if (going?.to !== seq) return;
  journey.set({ ...going, fraction: Math.max(going.fraction ?? 0, Math.min(1, fraction)) });
}

/** Something was told as of an event, or of now; the way ends where that is where it leads. */
export function arrived(at: number | null): void {
  if (journey.get()?.to !== at) return;
  last = at;
  journey.set(null);
}

/** The way ends without arriving: what is shown stays as it is, and why is said elsewhere. */
export function gaveUp(): void {
  journey.set(null);
}
