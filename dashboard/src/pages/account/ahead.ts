/** What the unit will need later, as rows by horizon and columns by move. */

import type { AheadRow } from "../../wire";

export const HORIZONS = ["1h", "4h", "1d", "2d", "1w", "expiry"];
export const MOVES_PPM = [-200_000, -100_000, -50_000, 0, 50_000, 100_000, 200_000];

export interface Later {
  horizon: string;
  atUs: number;
  /** By move, null where the answer has none. */
  cells: (AheadRow | null)[];
  /** Contracts held that are paid out by then. */
  settled: string[];
}

/** The rows of one unit, the nearest instant first. */
export function laterOf(
  rows: readonly AheadRow[],
  unit: string,
  moves: readonly number[],
): Later[] {
  const found = new Map<string, Later>();
  for (const row of rows) {
    if (row.unit !== unit) continue;
    let later = found.get(row.horizon);
    if (!later) {
      later = { horizon: row.horizon, atUs: row.at_us, cells: moves.map(() => null), settled: [] };
      found.set(row.horizon, later);
    }
    const place = moves.indexOf(row.move_ppm);
    if (place >= 0) later.cells[place] = row;
    for (const name of row.settled) if (!later.settled.includes(name)) later.settled.push(name);
  }
  return [...found.values()].sort((a, b) => a.atUs - b.atUs);
}

const UNITS: Record<string, [string, string]> = {
  m: ["minute", "minutes"],
  h: ["hour", "hours"],
  d: ["day", "days"],
  w: ["week", "weeks"],
};

/** 4h → In 4 hours; expiry → At the next expiry. */
export function horizonTitle(horizon: string): string {
  if (horizon === "now") return "Now";
  if (horizon === "expiry") return "At the next expiry";
  const found = /^([\d.]+)([mhdw])$/.exec(horizon);
  const words = found && UNITS[found[2] ?? ""];
  return found && words ? `In ${found[1]} ${words[found[1] === "1" ? 0 : 1]}` : horizon;
}

/** The first cell that is liquidatable when nothing moves, and the worst of all. */
export function aheadWords(laters: readonly Later[], still: number): string {
  const calm = laters.find((later) => isLow(later.cells[still]));
  if (calm) {
    return calm.horizon === "now"
      ? "Liquidatable now."
      : `Liquidatable ${horizonTitle(calm.horizon).toLowerCase()} even if no price moves.`;
  }
  const first = laters.find((later) => later.cells.some(isLow));
  if (!first) return "Not liquidatable at any of these instants and moves.";
  const moves = first.cells
    .filter((cell): cell is AheadRow => isLow(cell))
    .map((cell) => cell.move_ppm);
  const nearest = moves.reduce((a, b) => (Math.abs(b) < Math.abs(a) ? b : a));
  const sign = nearest > 0 ? "+" : "−";
  return `Liquidatable ${first.horizon === "now" ? "now" : horizonTitle(first.horizon).toLowerCase()} if prices move by ${sign}${Math.abs(nearest) / 10_000} %.`;
}

const isLow = (cell: AheadRow | null | undefined): boolean =>
  cell?.margin_ratio != null && Number(cell.margin_ratio) < 1;
