/** Where the sources of an index stand on a line around it. */

import type { AssetData } from "../../wire";

export interface Place {
  source: string;
  verdict: string;
  /** Basis points from the index. */
  away: number;
  /** 0 at the left end of the line, 1 at the right; what lies beyond stands at the end. */
  share: number;
  isBeyond: boolean;
}

const LEAST_BP = 2;
const MOST_BP = 2_000;

/** How far a price stands from an index, null where either is none. */
export function basisPoints(price: number | null, index: number | null): number | null {
  if (price == null || index == null || price <= 0 || index <= 0) return null;
  return (price / index - 1) * 1e4;
}

/** Half the width of the line: what every source that is used fits in, and a doubted one up to five times that. */
export function reachOf(asset: AssetData): number {
  let used = LEAST_BP;
  let any = LEAST_BP;
  for (const source of asset.sources) {
    const away = Math.abs(basisPoints(source.price, asset.index_price) ?? 0);
    if (source.verdict === "used") used = Math.max(used, away);
    any = Math.max(any, away);
  }
  return niceAbove(Math.min(any, used * 5, MOST_BP) * 1.1);
}

/** The least of 1, 2, 5, 10, 20 … that is no less than a number. */
export function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5, 10].find((each) => each * power >= value * (1 - 1e-12)) ?? 10;
  return step * power;
}

export function placesOf(asset: AssetData, reach: number): Place[] {
  const places: Place[] = [];
  for (const source of asset.sources) {
    const away = basisPoints(source.price, asset.index_price);
    if (away == null) continue;
    const share = Math.min(1, Math.max(0, 0.5 + away / reach / 2));
    places.push({
      source: source.source,
      verdict: source.verdict,
      away,
      share,
      isBeyond: Math.abs(away) > reach,
    });
  }
  return places;
}
