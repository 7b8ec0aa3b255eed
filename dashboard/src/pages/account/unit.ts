/** What the panels know of the unit that is shown: its channel, and its summary for what the channel has not. */

import { createContext, useContext } from "react";
import type { AccountData, Portfolio, PositionView } from "../../wire";

export interface UnitSeen {
  unit: string;
  told: AccountData;
  positions: PositionView[];
  /** Null until it is answered. */
  summary: Portfolio | null;
}

export const UnitContext = createContext<UnitSeen | null>(null);

/** The unit that is shown; only below the page's own context. */
export function useUnit(): UnitSeen {
  const found = useContext(UnitContext);
  if (!found) throw new Error("no unit is shown here");
  return found;
}

/** The states in which a unit is in want of something. */
export const isInWant = (state: string): boolean => state !== "healthy";

/** What a margin ratio means, in words that need no colour. */
export function ratioWords(ratio: number | null, requirement: number): string {
  if (ratio === null || Number.isNaN(ratio)) {
    return requirement > 0 ? "no ratio is known" : "no requirement: it cannot be liquidated";
  }
  if (ratio < 0) return "the maintenance balance is below zero";
  if (ratio < 1) return "below 1: liquidatable";
  const room = (1 - 1 / ratio) * 100;
  return `liquidatable below 1; ${room < 10 ? room.toFixed(1) : room.toFixed(0)} % of the balance to spare`;
}

/** One instrument's trade, passed from a cure to the ticket. */
export interface Wish {
  instrument: string;
  /** Signed; a decimal. */
  quantity: string;
}

/** Puts trades into the ticket, in place of what stands there. */
export const PutIntoTicket = createContext<(legs: readonly Wish[]) => void>(() => {});
