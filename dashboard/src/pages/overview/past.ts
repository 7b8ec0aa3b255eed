/** The venue over time, asked anew every few seconds. */

import { type Answer, useMethod } from "../../data/hooks";
import type { HistoryData } from "../../wire";

const EVERY_MS = 5_000;

export const usePast = (): Answer<HistoryData> =>
  useMethod("private/get_history", {}, { everyMs: EVERY_MS });

/** At most so many values, evenly chosen, the last always among them. */
export function thinned<T>(values: readonly T[], most: number): T[] {
  if (values.length <= most) return [...values];
  const step = (values.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, i) => values[Math.round(i * step)] as T);
}
