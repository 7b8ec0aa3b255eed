/** Reading a liquidation map. */

import type { LiquidationLevel, LiquidationMap } from "../../wire";

/** The move of a level as a fraction. */
export const shareOfMove = (level: LiquidationLevel): number => level.move_ppm / 1e6;

/** The first level on one side of now at which more is liquidatable than now; null where there is none. */
export function nearest(map: LiquidationMap, side: -1 | 1): LiquidationLevel | null {
  const levels = map.levels
    .filter((level) => Math.sign(level.move_ppm) === side)
    .sort((a, b) => Math.abs(a.move_ppm) - Math.abs(b.move_ppm));
  return levels.find((level) => level.bucket.units > 0) ?? null;
}

/** What moves, in words. */
export function titleOf(map: LiquidationMap): string {
  return map.underlyings.length === 1
    ? `if ${map.underlyings[0]} moves alone`
    : `if ${map.underlyings.join(", ")} move together`;
}
