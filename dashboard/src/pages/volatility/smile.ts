/** A smile as it is read: known volatilities by moneyness, and what follows from them at the money and at a delta. */

import type { SmileData, SurfaceData } from "../../wire";
import { callDelta } from "./black76";

export const DAY_US = 86_400_000_000;
const YEAR_US = 365 * DAY_US;
export const QUARTER = 0.25;
const HALVINGS = 60;

export interface Point {
  strike: number;
  /** ln(strike / forward). */
  moneyness: number;
  volatility: number;
}

export interface Smile {
  expiryUs: number;
  years: number;
  forward: number;
  /** Every strike that is listed; null where no volatility is known. */
  strikes: { strike: number; volatility: number | null }[];
  /** The received volatilities that are known. */
  received: Point[];
  /** The fitted curve; empty without one. */
  curve: Point[];
  /** What is drawn as a line: the curve, or else the received ones joined, broken where one is unknown. */
  pieces: Point[][];
}

/** The smiles of a surface by expiry, those without a forward or past their expiry left out. */
export function smilesOf(surface: SurfaceData): Smile[] {
  return surface.smiles
    .filter((each) => (each.forward_price ?? 0) > 0 && each.expiry_us > surface.time_us)
    .map((each) => smileOf(each, surface.time_us))
    .sort((a, b) => a.expiryUs - b.expiryUs);
}

export function smileOf(data: SmileData, timeUs: number): Smile {
  const forward = data.forward_price ?? Number.NaN;
  const strikes = paired(data.strikes, data.implied_volatilities);
  const runs = runsOf(strikes, forward);
  const [curve = []] = runsOf(
    paired(data.curve_strikes, data.curve_volatilities).filter((each) => each.volatility !== null),
    forward,
  );
  return {
    expiryUs: data.expiry_us,
    years: Math.max(0, data.expiry_us - timeUs) / YEAR_US,
    forward,
    strikes,
    received: runs.flat(),
    curve,
    pieces: curve.length > 1 ? [curve] : runs,
  };
}

function paired(strikes: readonly (number | null)[], volatilities: readonly (number | null)[]) {
  return strikes.flatMap((strike, at) => {
    const volatility = volatilities[at] ?? null;
    const isKnown = volatility !== null && volatility > 0 && Number.isFinite(volatility);
    return strike !== null && strike > 0
      ? [{ strike, volatility: isKnown ? volatility : null }]
      : [];
  });
}

/** Neighbours that are known, together; one that is not known parts them. */
function runsOf(strikes: Smile["strikes"], forward: number): Point[][] {
  const runs: Point[][] = [];
  let run: Point[] = [];
  for (const { strike, volatility } of strikes) {
    if (volatility === null) {
      if (run.length) runs.push(run);
      run = [];
    } else run.push({ strike, moneyness: Math.log(strike / forward), volatility });
  }
  if (run.length) runs.push(run);
  return runs;
}

/** The volatility on the line at a log-moneyness, null where the line does not reach. */
export function volatilityAt(pieces: readonly Point[][], moneyness: number): number | null {
  for (const piece of pieces) {
    for (const [at, right] of piece.entries()) {
      if (right.moneyness === moneyness) return right.volatility;
      const left = piece[at - 1];
      if (left && left.moneyness < moneyness && moneyness < right.moneyness) {
        return between(left, right, moneyness);
      }
    }
  }
  return null;
}

function between(left: Point, right: Point, moneyness: number): number {
  const share = (moneyness - left.moneyness) / (right.moneyness - left.moneyness);
  return left.volatility + share * (right.volatility - left.volatility);
}

/** The delta of the call at a point of a smile. */
export const deltaOf = (smile: Smile, point: Point): number | null =>
  callDelta(smile.forward, point.strike, point.volatility, smile.years);

/**
 * Where on the line a call has a delta, null where the line does not reach it; of several the nearest to the forward.
 *
 * A put's delta of −0.25 is a call's of 0.75 at the same strike.
 */
export function pointAtDelta(smile: Smile, delta: number): Point | null {
  const found: Point[] = [];
  for (const piece of smile.pieces) {
    for (const [at, right] of piece.entries()) {
      const left = piece[at - 1] ?? right;
      const [a, b] = [deltaOf(smile, left), deltaOf(smile, right)];
      if (a === null || b === null || (a - delta) * (b - delta) > 0) continue;
      found.push(crossing(smile, left, right, delta));
    }
  }
  found.sort((a, b) => Math.abs(a.moneyness) - Math.abs(b.moneyness));
  return found[0] ?? null;
}

/** The place between two points at which the call's delta is that, by halving. */
function crossing(smile: Smile, left: Point, right: Point, delta: number): Point {
  const sign = Math.sign((deltaOf(smile, left) ?? delta) - delta);
  if (sign === 0 || left === right) return left;
  let [low, high] = [left, right];
  for (let n = 0; n < HALVINGS; n += 1) {
    const moneyness = (low.moneyness + high.moneyness) / 2;
    const middle = {
      moneyness,
      strike: smile.forward * Math.exp(moneyness),
      volatility: between(left, right, moneyness),
    };
    if (Math.sign((deltaOf(smile, middle) ?? delta) - delta) === sign) low = middle;
    else high = middle;
  }
  return high;
}

export interface Term {
  smile: Smile;
  atTheMoney: number | null;
  put: Point | null;
  call: Point | null;
  /** Volatility of the 25-delta call less that of the 25-delta put. */
  riskReversal: number | null;
  /** Their mean less that at the money. */
  butterfly: number | null;
}

/** What is read off a smile; null is: not known. */
export function termOf(smile: Smile): Term {
  const atTheMoney = volatilityAt(smile.pieces, 0);
  const put = pointAtDelta(smile, 1 - QUARTER);
  const call = pointAtDelta(smile, QUARTER);
  const isBoth = put !== null && call !== null;
  return {
    smile,
    atTheMoney,
    put,
    call,
    riskReversal: isBoth ? call.volatility - put.volatility : null,
    butterfly:
      isBoth && atTheMoney !== null ? (call.volatility + put.volatility) / 2 - atTheMoney : null,
  };
}

export type AxisKind = "moneyness" | "strike" | "delta";

/** Where a point stands on an axis; null where a delta is not known. */
export function placeOn(kind: AxisKind, smile: Smile, point: Point): number | null {
  if (kind === "moneyness") return point.moneyness;
  return kind === "strike" ? point.strike : deltaOf(smile, point);
}
