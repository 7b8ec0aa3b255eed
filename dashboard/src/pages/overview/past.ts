/** The venue over time, asked anew every few seconds. */

import { useMemo } from "react";
import { type Answer, useAsOf, useMethod } from "../../data/hooks";
import type { HistoryData } from "../../wire";

const EVERY_MS = 5_000;

/** Up to the instant that is shown; asked of the present, which alone knows all of it. */
export function usePast(): Answer<HistoryData> {
  const answer = useMethod("private/get_history", {}, { everyMs: EVERY_MS, isOfNow: true });
  const asOf = useAsOf();
  const { result } = answer;
  const known = useMemo(
    () => (result && asOf !== null ? until(result, asOf) : result),
    [result, asOf],
  );
  return { ...answer, result: known };
}

/** The rows up to an event. */
export function until(past: HistoryData, seq: number): HistoryData {
  const after = past.seq.findIndex((each) => each > seq);
  if (after < 0) return past;
  const cut = <T>(values: readonly T[]): T[] => values.slice(0, after);
  const cutEach = <T>(columns: Record<string, T[]>): Record<string, T[]> =>
    Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, cut(values)]));
  return {
    as_of_seq: seq,
    seq: cut(past.seq),
    time_us: cut(past.time_us),
    index_prices: cutEach(past.index_prices),
    units_by_state: cutEach(past.units_by_state),
    insurance_fund_micro: cut(past.insurance_fund_micro),
    bad_debt_micro: cut(past.bad_debt_micro),
    liquidated: cut(past.liquidated),
  };
}

/** At most so many values, evenly chosen, the last always among them. */
export function thinned<T>(values: readonly T[], most: number): T[] {
  if (values.length <= most) return [...values];
  const step = (values.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, i) => values[Math.round(i * step)] as T);
}
