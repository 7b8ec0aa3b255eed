/** Critical prices on an axis: where the present price stands, and in which ranges the unit is liquidated. */

import type { CriticalView, RootView } from "../../wire";
import { toNumber } from "./amounts";

/** How far the axis goes, as multiples of the present price. */
export const LOW = 0.2;
export const HIGH = 5;
/** The least that is shown on either side. */
const NEAR = 1.25;

export interface Mark {
  price: number;
  /** Place on the axis from 0 to 1. */
  at: number;
  /** Beyond the axis: it stands at its end. */
  isBeyond: boolean;
}

export interface Ladder {
  index: Mark;
  liquidation: Mark[];
  bankruptcy: Mark[];
  /** Ranges from 0 to 1 in which the unit is liquidatable, and bankrupt. */
  liquidatable: [number, number][];
  bankrupt: [number, number][];
  low: number;
  high: number;
}

/** The ranges of price in which a verdict holds, from the prices at which it flips. */
export function rangesOf(
  roots: readonly RootView[],
  isSoNow: boolean,
  lowest: number,
  highest: number,
): [number, number][] {
  if (roots.length === 0) return isSoNow ? [[lowest, highest]] : [];
  const sorted = [...roots].sort((a, b) => toNumber(a.price) - toNumber(b.price));
  const found: [number, number][] = [];
  let from: number | null = sorted[0]?.direction === "falling" ? lowest : null;
  for (const root of sorted) {
    const price = toNumber(root.price);
    if (root.direction === "falling") {
      if (from !== null) found.push([from, price]);
      from = null;
    } else {
      from = price;
    }
  }
  if (from !== null) found.push([from, highest]);
  return found;
}

/** The ladder of one underlying on a logarithmic axis, null without a price to begin from. */
export function ladderOf(view: CriticalView): Ladder | null {
  const index = toNumber(view.reference);
  if (!(index > 0)) return null;
  const prices = [...view.liquidation, ...view.bankruptcy].map((root) => toNumber(root.price));
  const reach = (most: number) => Math.min(most, Math.max(NEAR, ...prices.map(away(index, most))));
  // The same reach on both sides, so that what looks nearer is nearer.
  const widest = Math.max(reach(1 / LOW), reach(HIGH));
  const low = index / widest;
  const high = index * widest;
  const place = (price: number) => Math.log(price / low) / Math.log(high / low);
  const held = (price: number) => Math.min(1, Math.max(0, price > 0 ? place(price) : 0));
  const mark = (price: number): Mark => ({
    price,
    at: held(price),
    isBeyond: price < low || price > high,
  });
  const lowest = toNumber(view.lowest) || low;
  const highest = toNumber(view.highest) || high;
  const ranges = (roots: readonly RootView[], isSo: boolean | null) =>
    rangesOf(roots, isSo === true, lowest, highest)
      .map(([from, to]): [number, number] => [held(from), held(to)])
      .filter(([from, to]) => to > from);
  return {
    index: mark(index),
    liquidation: view.liquidation.map((root) => mark(toNumber(root.price))),
    bankruptcy: view.bankruptcy.map((root) => mark(toNumber(root.price))),
    liquidatable: ranges(view.liquidation, view.is_liquidatable),
    bankrupt: ranges(view.bankruptcy, view.is_bankrupt),
    low,
    high,
  };
}

/** How many times the present price, or its inverse, with some room; 1 where it is out of reach. */
function away(index: number, most: number): (price: number) => number {
  return (price) => {
    const times = price > index ? price / index : index / price;
    return times <= most ? times * 1.08 : 1;
  };
}

/** How far a price is from the present one, as a fraction of it. */
export const distance = (price: string | null, reference: string | null): number | null => {
  const [to, from] = [toNumber(price), toNumber(reference)];
  return from > 0 && Number.isFinite(to) ? to / from - 1 : null;
};

/** The smallest move that liquidates, over all underlyings; null where none does. */
export function nearest(
  views: readonly CriticalView[],
): { view: CriticalView; price: string; move: number } | null {
  let found: { view: CriticalView; price: string; move: number } | null = null;
  for (const view of views) {
    for (const price of [view.liquidation_below, view.liquidation_above]) {
      const move = distance(price, view.reference);
      if (price === null || move === null) continue;
      if (!found || Math.abs(move) < Math.abs(found.move)) found = { view, price, move };
    }
  }
  return found;
}
