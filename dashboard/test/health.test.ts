import { describe, expect, it } from "vitest";
import { basisPoints, niceAbove, placesOf, reachOf } from "../src/pages/health/band_places";
import type { AssetData, SourceData } from "../src/wire";

function source(name: string, price: number | null, verdict = "used"): SourceData {
  return {
    source: name,
    operator: name,
    kind: "spot",
    tier: 1,
    weight: 1,
    quote: "USD",
    verdict,
    price,
    age_us: 0,
  };
}

function asset(index: number | null, sources: SourceData[]): AssetData {
  return {
    asset: "BTC",
    index_price: index,
    index_low: index,
    index_high: index,
    condition: "healthy",
    is_protected: false,
    age_us: 0,
    age_ppm: 0,
    implied_condition: "none",
    implied_age_ppm: 0,
    volatility: null,
    implied_volatility: null,
    depth_bid_usd: null,
    depth_ask_usd: null,
    marks: [],
    sources,
  };
}

describe("PAGE-060 the band of an index", () => {
  it("tells basis points, and none without a price", () => {
    expect(basisPoints(101, 100)).toBeCloseTo(100, 9);
    expect(basisPoints(0, 100)).toBeNull();
    expect(basisPoints(null, 100)).toBeNull();
    expect(basisPoints(100, null)).toBeNull();
  });

  it("has ends at 1, 2 or 5 times a power of ten", () => {
    expect([0.9, 1, 1.1, 3, 7, 10, 1100].map(niceAbove)).toEqual([1, 1, 2, 5, 10, 10, 2000]);
  });

  it("fits every source that is used", () => {
    const found = asset(100, [source("a", 100.05), source("b", 99.9)]);
    const reach = reachOf(found);
    expect(reach).toBe(20);
    expect(placesOf(found, reach).map((place) => place.isBeyond)).toEqual([false, false]);
    expect(placesOf(found, reach)[0]?.share).toBeCloseTo(0.5 + 5 / 40, 9);
  });

  it("puts what lies far beyond at the end of the line", () => {
    const found = asset(100, [source("a", 100.01), source("wild", 160, "deviating")]);
    const reach = reachOf(found);
    expect(reach).toBeLessThanOrEqual(20);
    const wild = placesOf(found, reach)[1];
    expect([wild?.share, wild?.isBeyond]).toEqual([1, true]);
  });

  it("leaves out a source without a price", () => {
    const found = asset(100, [source("a", null), source("b", 100)]);
    expect(placesOf(found, reachOf(found)).map((place) => place.source)).toEqual(["b"]);
  });
});
