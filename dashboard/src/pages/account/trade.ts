/** The trades of a ticket: what was typed, checked against lots, and the most that free margin bears. */

import type { InstrumentView, Portfolio } from "../../wire";
import { scaleOf, unitsOf } from "./amounts";

export interface Leg {
  /** Tells the rows apart. */
  id: number;
  instrument: string;
  side: "buy" | "sell";
  /** As typed. */
  quantity: string;
}

/** What is wrong with a leg, by field; null where nothing is. */
export interface Fault {
  instrument: string | null;
  quantity: string | null;
}

const DECIMAL = /^\d{1,15}(\.\d{0,12})?$/;

/** A number as a decimal without an exponent. */
export function plain(value: number): string {
  const text = String(value);
  return /e/i.test(text) ? value.toFixed(12).replace(/\.?0+$/, "") : text;
}

/** How many lots a typed quantity is, or why it is not a whole number of them. */
export function lotsOf(
  typed: string,
  instrument: InstrumentView,
): { lots: bigint } | { fault: string } {
  const text = typed.trim().replaceAll(",", "");
  if (!DECIMAL.test(text)) return { fault: "Give a quantity above zero, such as 0.5." };
  const least = plain(instrument.min_trade_amount ?? 0);
  const unit = unitOf(instrument);
  const bare = text.replace(/\.$/, "");
  if (!(Number(least) > 0)) return { lots: unitsOf(bare, scaleOf([bare])) };
  const scale = scaleOf([bare, least]);
  const [asked, lot] = [unitsOf(bare, scale), unitsOf(least, scale)];
  if (asked === 0n) return { fault: "Give a quantity above zero." };
  if (asked % lot !== 0n) {
    const below = (asked / lot) * lot;
    const nearest =
      below === 0n
        ? decimal(lot, scale)
        : `${decimal(below, scale)} or ${decimal(below + lot, scale)}`;
    return { fault: `A lot is ${least} ${unit}: give ${nearest}.` };
  }
  const most = instrument.position_limit;
  if (most != null && Number(bare) > most) {
    return { fault: `The position limit is ${plain(most)} ${unit}.` };
  }
  return { lots: asked / lot };
}

/** What quantities of an instrument are counted in. */
export const unitOf = (instrument: InstrumentView): string =>
  instrument.instrument_type === "reversed" && instrument.kind === "future"
    ? "USD"
    : instrument.base_currency;

/** Lots as a quantity. */
export function quantityOf(lots: bigint, instrument: InstrumentView): string {
  const lot = plain(instrument.min_trade_amount ?? 1);
  const scale = scaleOf([lot]);
  return decimal(lots * unitsOf(lot, scale), scale);
}

function decimal(units: bigint, scale: number): string {
  const text = String(units < 0n ? -units : units).padStart(scale + 1, "0");
  const whole = text.slice(0, text.length - scale);
  const fraction = text.slice(text.length - scale).replace(/0+$/, "");
  return (units < 0n ? "-" : "") + whole + (fraction ? `.${fraction}` : "");
}

export type Known = ReadonlyMap<string, InstrumentView>;

export function faultOf(leg: Leg, known: Known): Fault {
  const instrument = known.get(leg.instrument);
  if (!leg.instrument) return { instrument: null, quantity: null };
  if (!instrument)
    return { instrument: `There is no instrument ${leg.instrument}.`, quantity: null };
  if (!instrument.is_active) {
    return { instrument: `${leg.instrument} has expired.`, quantity: null };
  }
  if (!leg.quantity.trim()) return { instrument: null, quantity: null };
  const found = lotsOf(leg.quantity, instrument);
  return { instrument: null, quantity: "fault" in found ? found.fault : null };
}

/** Signed sizes by instrument of the legs that are whole; several of one instrument are added. */
export function sizesOf(legs: readonly Leg[], known: Known): Record<string, number> | null {
  const sums = new Map<string, bigint>();
  for (const leg of legs) {
    const instrument = known.get(leg.instrument);
    if (!leg.instrument && !leg.quantity.trim()) continue;
    if (!instrument) return null;
    const found = lotsOf(leg.quantity, instrument);
    if ("fault" in found) return null;
    const lots = leg.side === "buy" ? found.lots : -found.lots;
    sums.set(leg.instrument, (sums.get(leg.instrument) ?? 0n) + lots);
  }
  const sizes: Record<string, number> = {};
  for (const [name, lots] of sums) {
    if (lots !== 0n) sizes[name] = Number(quantityOf(lots, known.get(name) as InstrumentView));
  }
  return Object.keys(sizes).length ? sizes : null;
}

/** The instruments that have every word of the search: those held first, then perpetuals, then by expiry. */
export function search(
  text: string,
  instruments: readonly InstrumentView[],
  held: ReadonlySet<string>,
  most: number,
): InstrumentView[] {
  const wanted = text
    .toLowerCase()
    .split(/[\s_-]+/)
    .filter(Boolean);
  const rank = (each: InstrumentView) =>
    held.has(each.instrument_name)
      ? 0
      : each.kind === "option"
        ? 3
        : each.instrument_type === "linear"
          ? 1
          : 2;
  return instruments
    .filter((each) => {
      const name = each.instrument_name.toLowerCase();
      return wanted.every((word) => name.includes(word));
    })
    .sort(
      (a, b) =>
        rank(a) - rank(b) ||
        (a.expiration_timestamp ?? 0) - (b.expiration_timestamp ?? 0) ||
        (a.strike ?? 0) - (b.strike ?? 0) ||
        (a.instrument_name < b.instrument_name ? -1 : 1),
    )
    .slice(0, most);
}

/**
 * The largest whole number of lots up to `limit` that `bears` says yes to, found by doubling and halving;
 * 0 where none is. Where a trade helps first and hurts later, what lies before the last "no" is found.
 */
export async function largest(
  limit: bigint,
  bears: (lots: bigint) => Promise<boolean>,
): Promise<bigint> {
  const tried: bigint[] = [];
  for (let lots = 1n; lots < limit; lots *= 2n) tried.push(lots);
  if (limit > 0n) tried.push(limit);
  let low = 0n;
  let high = limit + 1n;
  for (let i = tried.length - 1; i >= 0; i--) {
    const lots = tried[i] as bigint;
    if (await bears(lots)) {
      low = lots;
      break;
    }
    high = lots;
  }
  while (high - low > 1n && low > 0n) {
    const middle = (low + high) / 2n;
    if (await bears(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** What a ticket compares: before and after, in the same fields. */
export interface Compared {
  name: string;
  unit: string;
  before: number | null;
  after: number | null;
  /** Whether more is better, for words and colour. */
  isMoreBetter: boolean;
}

export function comparisonOf(before: Portfolio | null, after: Portfolio): Compared[] {
  const rows: [string, (of: Portfolio) => number | null, boolean][] = [
    ["Margin ratio", (of) => of.margin_ratio, true],
    ["Equity", (of) => of.equity, true],
    ["Free margin", (of) => of.available_funds, true],
    ["Initial requirement", (of) => of.initial_margin, false],
    ["Maintenance requirement", (of) => of.maintenance_margin, false],
    ["Buffer", bufferOf, true],
  ];
  return rows.map(([name, value, isMoreBetter]) => ({
    name,
    unit: name === "Margin ratio" ? "" : after.currency,
    before: before && value(before),
    after: value(after),
    isMoreBetter,
  }));
}

export const bufferOf = (of: Portfolio): number | null =>
  of.unit
    ? of.unit.buffer_micro / 1e6
    : of.margin_balance == null || of.maintenance_margin == null
      ? null
      : of.margin_balance - of.maintenance_margin;

/** What the trade means, in a sentence. */
export function verdictOf(
  before: Portfolio | null,
  after: Portfolio,
): { tone: "good" | "doubt" | "bad"; text: string } {
  const ratio = after.margin_ratio;
  const free = after.available_funds ?? 0;
  if (ratio != null && ratio < 1) {
    return { tone: "bad", text: "After this the unit would be liquidatable." };
  }
  const wasFree = before?.available_funds ?? null;
  if (free < 0 && wasFree !== null && free <= wasFree) {
    return {
      tone: "doubt",
      text: "The initial requirement would not be covered: such a trade is refused while it adds risk.",
    };
  }
  if (free < 0) {
    return { tone: "doubt", text: "It helps, and the initial requirement is still not covered." };
  }
  return { tone: "good", text: "Affordable: the initial requirement stays covered." };
}
