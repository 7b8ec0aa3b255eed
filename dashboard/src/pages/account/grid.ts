/** The scenario grid as rows and columns: volatility by price, one sheet a horizon. */

import type { ScenarioView, UnderlyingMatrix, UnitMatrix } from "../../wire";

export const VOLATILITIES = ["up", "same", "down"] as const;
export type Volatility = (typeof VOLATILITIES)[number];

export interface Cell {
  /** The number of the scenario, from 1. */
  number: number;
  profit: number;
  /** The share of the loss that counts: less than 1 in the tails. */
  weight: number;
  /** Whether the requirement is decided here. */
  isBinding: boolean;
}

export interface Sheet {
  days: number;
  /** Columns: the move as a share of the range, and what it is of the price, null in a total of several. */
  moves: { share: number; move: number | null; price: number | null }[];
  /** By volatility, then by column; null where the grid has no such scenario. */
  rows: Record<Volatility, (Cell | null)[]>;
}

/** TOTAL: all underlyings in the same cell. */
export const TOTAL = "";

/** The sheets of an underlying, or of the total. */
export function sheetsOf(matrix: UnitMatrix, underlying: string): Sheet[] {
  const own = matrix.underlyings.find((each) => each.underlying === underlying) ?? null;
  const profits = own ? own.profits : matrix.total;
  const horizons = [...new Set(matrix.scenarios.map((each) => each.days ?? 0))].sort(
    (a, b) => a - b,
  );
  const worst = matrix.requirement_by === "scenario" ? (own?.worst ?? null) : null;
  return horizons.map((days) => sheet(matrix.scenarios, profits, own, worst, days));
}

function sheet(
  scenarios: readonly ScenarioView[],
  profits: readonly (number | null)[],
  own: UnderlyingMatrix | null,
  worst: number | null,
  days: number,
): Sheet {
  const here = scenarios
    .map((scenario, at) => ({ scenario, at }))
    .filter(({ scenario }) => (scenario.days ?? 0) === days);
  const shares = [...new Set(here.map(({ scenario }) => scenario.move ?? 0))].sort((a, b) => a - b);
  const moves = shares.map((share) => {
    const at = here.find(({ scenario }) => (scenario.move ?? 0) === share)?.at ?? -1;
    return { share, move: own?.moves[at] ?? null, price: own?.prices[at] ?? null };
  });
  const rows = Object.fromEntries(
    VOLATILITIES.map((volatility) => [
      volatility,
      shares.map((share): Cell | null => {
        const found = here.find(
          ({ scenario }) => (scenario.move ?? 0) === share && scenario.volatility === volatility,
        );
        if (!found) return null;
        return {
          number: found.scenario.number,
          profit: profits[found.at] ?? Number.NaN,
          weight: found.scenario.weight ?? 1,
          isBinding: worst === found.scenario.number,
        };
      }),
    ]),
  ) as Record<Volatility, (Cell | null)[]>;
  return { days, moves, rows };
}

/** The underlyings, the greatest worst loss first. */
export const byLoss = (matrix: UnitMatrix): UnderlyingMatrix[] =>
  [...matrix.underlyings].sort((a, b) => (b.worst_loss ?? 0) - (a.worst_loss ?? 0));

/** A horizon in words: now, in 12 hours, in 1 day. */
export function horizonWords(days: number): string {
  if (days === 0) return "at once";
  const hours = days * 24;
  if (hours < 48 && hours !== 24) return `in ${Number(hours.toFixed(1))} hours`;
  return `in ${Number(days.toFixed(1))} ${days === 1 ? "day" : "days"}`;
}

/** Volatility moves in words. */
export const VOLATILITY_WORDS: Record<Volatility, string> = {
  up: "Volatility up",
  same: "Unchanged",
  down: "Volatility down",
};
