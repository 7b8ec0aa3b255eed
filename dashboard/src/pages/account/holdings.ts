/** Positions as rows: notional at the index, and what each has in the requirement. */

import type { BranchView, Portfolio, PositionView } from "../../wire";
import { toNumber, underlyingOf } from "./amounts";

export interface Holding {
  position: PositionView;
  underlying: string;
  /** USD at the index, without a sign; null without an index. */
  notional: number | null;
  /** Its part of the maintenance requirement, in USDC; negative for a hedge, null where nothing is known. */
  required: number | null;
  /** Its fraction of the requirement. */
  share: number | null;
}

/** What each leg has in the maintenance requirement, over all parts. */
export function requiredByLeg(parts: readonly BranchView[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const part of parts) {
    for (const leaf of part.leaves) {
      found.set(leaf.name, (found.get(leaf.name) ?? 0) + toNumber(leaf.maintenance));
    }
  }
  return found;
}

export function holdingsOf(
  positions: readonly PositionView[],
  parts: readonly BranchView[] | null,
  requirement: number,
): Holding[] {
  const required = parts && requiredByLeg(parts);
  return positions.map((position) => {
    const { size, index_price: index } = position;
    const isOfUsd = position.size_unit === "USD";
    const notional =
      size == null
        ? null
        : isOfUsd
          ? Math.abs(size)
          : index == null
            ? null
            : Math.abs(size) * index;
    const part = required?.get(position.instrument_name) ?? null;
    return {
      position,
      underlying: underlyingOf(position.instrument_name),
      notional,
      required: part,
      share: part !== null && requirement > 0 ? part / requirement : null,
    };
  });
}

/** The largest share of the requirement first, then the largest notional. */
export function byWeight(a: Holding, b: Holding): number {
  return (
    (b.share ?? Number.NEGATIVE_INFINITY) - (a.share ?? Number.NEGATIVE_INFINITY) ||
    (b.notional ?? 0) - (a.notional ?? 0) ||
    (a.position.instrument_name < b.position.instrument_name ? -1 : 1)
  );
}

export interface Totals {
  underlying: string;
  delta: number | null;
  gamma: number | null;
  vega: number | null;
  theta: number | null;
}

/** The Greeks by underlying, as the summary adds them up, coins in the delta. */
export function totalsOf(summary: Portfolio): Totals[] {
  const names = Object.keys(summary.delta_total_map);
  return names.map((pair) => ({
    underlying: (pair.split("_")[0] ?? pair).toUpperCase(),
    delta: summary.delta_total_map[pair] ?? null,
    gamma: summary.options_gamma_map[pair] ?? null,
    vega: summary.options_vega_map[pair] ?? null,
    theta: summary.options_theta_map[pair] ?? null,
  }));
}
