import { describe, expect, it } from "vitest";
import { nearest, shareOfMove, titleOf } from "../src/pages/liquidations/levels";
import type { Liquidatable, LiquidationLevel, LiquidationMap } from "../src/wire";

function some(units: number): Liquidatable {
  return {
    units,
    full_units: 0,
    long_usd_micro: units * 1e6,
    short_usd_micro: 0,
    notional_usd_micro: units * 1e6,
    shortfall_micro: 0,
  };
}

function level(move_ppm: number, step: number): LiquidationLevel {
  return {
    move_ppm,
    index_prices: {},
    at: some(step),
    bucket: some(step),
    cumulative: some(step),
    unfit: [],
  };
}

function map(levels: LiquidationLevel[], underlyings = ["BTC"]): LiquidationMap {
  return {
    as_of_seq: 1,
    time_us: 0,
    currency: "USDC",
    method: "m",
    method_version: "1",
    method_hash: "",
    underlyings,
    protected: [],
    held_still: "",
    units: 10,
    levels,
  };
}

describe("PAGE-061 the nearest liquidations", () => {
  const found = map([level(-200_000, 4), level(-100_000, 2), level(0, 1), level(100_000, 0)]);

  it("are the first on each side, whatever is liquidatable now", () => {
    expect(nearest(found, -1)?.move_ppm).toBe(-100_000);
    expect(nearest(found, 1)).toBeNull();
  });

  it("tells moves as fractions", () => {
    expect(shareOfMove(level(-125_000, 0))).toBe(-0.125);
  });

  it("says what moves", () => {
    expect(titleOf(found)).toBe("if BTC moves alone");
    expect(titleOf(map([], ["BTC", "ETH"]))).toBe("if BTC, ETH move together");
  });
});
