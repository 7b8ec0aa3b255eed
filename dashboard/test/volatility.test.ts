import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { mergedSurface } from "../src/data/merging";
import { callDelta, normalShare } from "../src/pages/volatility/black76";
import {
  decimalsOf,
  expiryText,
  niceRange,
  niceStep,
  percentText,
  strikeText,
  ticksOf,
  tickText,
  untilText,
} from "../src/pages/volatility/frame";
import { knotsOf, latticeOf } from "../src/pages/volatility/lattice";
import { colourAt, rgbOf, STOPS } from "../src/pages/volatility/ramp";
import {
  DAY_US,
  deltaOf,
  placeOn,
  pointAtDelta,
  type Smile,
  smileOf,
  smilesOf,
  termOf,
  volatilityAt,
} from "../src/pages/volatility/smile";
import { eyeOf, FIRST, keyed, midway, nearer, turned } from "../src/pages/volatility/view";
import type { SmileData, SurfaceData } from "../src/wire";

const NOW_US = 1_760_000_000_000_000;

function data(
  days: number,
  volatilities: Record<number, number | null>,
  curve: Record<number, number> = {},
  forward = 100,
): SmileData {
  return {
    expiry_us: NOW_US + days * DAY_US,
    forward_price: forward,
    strikes: Object.keys(volatilities).map(Number),
    implied_volatilities: Object.values(volatilities),
    curve_strikes: Object.keys(curve).map(Number),
    curve_volatilities: Object.values(curve),
  };
}

const smile = (...made: Parameters<typeof data>): Smile => smileOf(data(...made), NOW_US);

function surface(smiles: SmileData[], more: Partial<SurfaceData> = {}): SurfaceData {
  return {
    type: "snapshot",
    change_id: 1,
    previous_change_id: null,
    as_of_seq: 1,
    time_us: NOW_US,
    asset: "BTC",
    index_price: 100,
    condition: "believed",
    smiles,
    gone: [],
    ...more,
  };
}

describe("PAGE-080 moneyness and delta", () => {
  test("the normal distribution is right to eleven digits in its middle and in its tails", () => {
    for (const [x, share] of [
      [0, 0.5],
      [0.5, 0.6914624612740131],
      [-1, 0.15865525393145705],
      [2.5, 0.9937903346742238],
      [-3.999, 3.180534005420203e-5],
      [-4.001, 3.153767893352074e-5],
      [4, 0.9999683287581669],
      [-6, 9.86587645037698e-10],
      [-10, 7.619853024160525e-24],
    ] as const) {
      expect(Math.abs(normalShare(x) / share - 1), String(x)).toBeLessThan(2e-12);
    }
    expect([normalShare(60), normalShare(-60)]).toEqual([1, 0]);
    expect(normalShare(Number.NaN)).toBeNaN();
  });

  test("the delta of a call is that of Black-76", () => {
    expect(callDelta(121_000, 125_000, 0.4, 30 / 365)).toBeCloseTo(0.41049567387950836, 13);
    expect(callDelta(121_000, 100_000, 0.6, 0.5)).toBeCloseTo(0.7458312329641991, 13);
    expect(callDelta(100, 100, 0.5, 1)).toBeCloseTo(0.5987063256829237, 13);
    expect(callDelta(4_350, 5_200, 0.9, 7 / 365)).toBeCloseTo(0.08538890483863915, 13);
  });

  test("there is none without a price, a volatility or time", () => {
    for (const [f, k, v, t] of [
      [0, 100, 0.5, 1],
      [100, 0, 0.5, 1],
      [100, 100, 0, 1],
      [100, 100, 0.5, 0],
      [Number.NaN, 100, 0.5, 1],
    ] as const) {
      expect(callDelta(f, k, v, t)).toBeNull();
    }
  });

  test("a point stands at ln(K/F), at its strike, or at its delta", () => {
    const found = smile(91.25, { 80: 0.6, 100: 0.5, 125: 0.45 });
    expect(found.years).toBe(0.25);
    const [low, middle, high] = found.received;
    if (!low || !middle || !high) throw new Error("three are received");
    expect(placeOn("moneyness", found, low)).toBeCloseTo(-0.22314355131420976, 14);
    expect(placeOn("moneyness", found, middle)).toBe(0);
    expect(placeOn("strike", found, high)).toBe(125);
    expect(placeOn("delta", found, high)).toBe(callDelta(100, 125, 0.45, 0.25));
  });
});

describe("PAGE-081 at the money and at 25 delta", () => {
  const flat = smile(91.25, { 80: 0.5, 90: 0.5, 110: 0.5, 130: 0.5 });

  test("at the money is read between the neighbours of the forward, by log-moneyness", () => {
    const found = smile(30, { 90: 0.6, 110: 0.5 });
    const share = Math.log(100 / 90) / Math.log(110 / 90);
    expect(volatilityAt(found.pieces, 0)).toBeCloseTo(0.6 - 0.1 * share, 14);
    expect(volatilityAt(found.pieces, Math.log(1.1))).toBe(0.5);
  });

  test("nothing is read beyond the strikes, or across one that is not known", () => {
    expect(volatilityAt(smile(30, { 101: 0.5, 110: 0.5 }).pieces, 0)).toBeNull();
    const broken = smile(30, { 90: 0.6, 99: null, 110: 0.5 });
    expect(broken.pieces.map((piece) => piece.length)).toEqual([1, 1]);
    expect(volatilityAt(broken.pieces, 0)).toBeNull();
    expect(termOf(broken)).toMatchObject({ atTheMoney: null, riskReversal: null, butterfly: null });
  });

  test("the strike of a delta is that of the formula where the smile is flat", () => {
    expect(pointAtDelta(flat, 0.25)?.strike).toBeCloseTo(122.12469629677251, 9);
    expect(pointAtDelta(flat, 0.75)?.strike).toBeCloseTo(87.16455321461393, 9);
    expect(termOf(flat).riskReversal).toBeCloseTo(0, 12);
    expect(termOf(flat).butterfly).toBeCloseTo(0, 12);
  });

  test("a smile has its risk reversal and butterfly at exactly these deltas", () => {
    const skewed = smile(91.25, { 70: 0.8, 85: 0.65, 100: 0.5, 115: 0.48, 140: 0.55 });
    const { call, put, atTheMoney, riskReversal, butterfly } = termOf(skewed);
    if (!call || !put) throw new Error("both are reached");
    expect(deltaOf(skewed, call)).toBeCloseTo(0.25, 12);
    expect((deltaOf(skewed, put) ?? 0) - 1).toBeCloseTo(-0.25, 12);
    expect(volatilityAt(skewed.pieces, call.moneyness)).toBeCloseTo(call.volatility, 12);
    expect(atTheMoney).toBe(0.5);
    expect(riskReversal).toBe(call.volatility - put.volatility);
    expect(riskReversal).toBeLessThan(-0.1);
    expect(butterfly).toBeCloseTo((call.volatility + put.volatility) / 2 - 0.5, 14);
  });

  test("they are not known where the strikes do not reach on one side", () => {
    const short = termOf(smile(91.25, { 80: 0.5, 90: 0.5, 110: 0.5 }));
    expect(short.put).not.toBeNull();
    expect([short.call, short.riskReversal, short.butterfly]).toEqual([null, null, null]);
    expect(short.atTheMoney).toBeCloseTo(0.5, 12);
  });

  test("a received volatility at the very delta is found", () => {
    const strike = 122.12469629677251;
    const exact = smile(91.25, { 100: 0.5, [strike]: 0.5 });
    const [only] = exact.received.slice(1);
    expect(pointAtDelta(exact, (only && deltaOf(exact, only)) ?? 0)?.strike).toBe(strike);
  });

  test("where a curve is fitted, it is the curve that is read", () => {
    const fitted = smile(91.25, { 90: 0.9, 110: 0.9 }, { 60: 0.5, 100: 0.4, 160: 0.5 });
    expect(volatilityAt(fitted.pieces, 0)).toBe(0.4);
    expect(fitted.received.map((point) => point.volatility)).toEqual([0.9, 0.9]);
    expect(termOf(fitted).call).not.toBeNull();
  });
});

describe("PAGE-082 the lattice", () => {
  test("neighbours are joined within what both reach, at the knots of either", () => {
    const near = smile(7, { 95: 0.5, 100: 0.4, 105: 0.45 });
    const far = smile(30, { 80: 0.6, 98: 0.45, 120: 0.5 });
    const knots = knotsOf(near.pieces[0] ?? [], far.pieces[0] ?? [], "strike");
    expect(knots).toEqual([95, 98, 100, 105]);
    const { triangles, lines, points } = latticeOf([near, far], "strike");
    expect(triangles).toHaveLength(3 * 2 * 3);
    expect(lines).toHaveLength(2 * 4);
    expect(points).toHaveLength(6);
    for (const { place, volatility } of triangles) {
      expect(place.every(Number.isFinite)).toBe(true);
      expect(volatility).toBeGreaterThanOrEqual(0.4);
      expect(volatility).toBeLessThanOrEqual(0.6);
    }
  });

  test("an unknown strike leaves a hole, in the line and beside it", () => {
    const whole = smile(30, { 90: 0.5, 95: 0.5, 100: 0.5, 105: 0.5, 110: 0.5 });
    const holed = smile(7, { 90: 0.5, 95: 0.5, 100: null, 105: 0.5, 110: 0.5 });
    const { triangles, frame, lines } = latticeOf([holed, whole], "strike");
    expect(lines).toHaveLength(2 * (2 + 4));
    expect(triangles).toHaveLength(3 * 2 * 2);
    const [low, high] = [95, 105].map(
      (x) => (2 * (x - frame.x[0])) / (frame.x[1] - frame.x[0]) - 1,
    );
    for (const { place } of triangles) {
      const isWithin = place[0] > (low ?? 0) * 1.35 + 1e-9 && place[0] < (high ?? 0) * 1.35 - 1e-9;
      expect(isWithin).toBe(false);
    }
  });

  test("expiries that share no strikes, and one alone, are not joined", () => {
    const left = smile(7, { 80: 0.5, 90: 0.5 });
    const right = smile(30, { 110: 0.5, 120: 0.5 });
    expect(latticeOf([left, right], "moneyness").triangles).toEqual([]);
    expect(latticeOf([left], "moneyness")).toMatchObject({ triangles: [], forward: [] });
    expect(latticeOf([], "moneyness").points).toEqual([]);
  });

  test("the forward is joined from expiry to expiry where both know it", () => {
    const known = [7, 14].map((days) => smile(days, { 90: 0.5, 110: 0.4 }));
    const unknown = smile(30, { 110: 0.5, 120: 0.5 });
    expect(latticeOf([...known, unknown], "strike").forward).toHaveLength(2);
  });

  test("the near expiry stands in front, the farthest behind, by the square root of time", () => {
    const { points } = latticeOf([smile(25, { 100: 0.5 }), smile(100, { 100: 0.5 })], "moneyness");
    expect(points.map(({ place }) => Number(place[2].toFixed(12)))).toEqual([0, -1]);
  });

  test("expired smiles and those without a forward are left out", () => {
    const smiles = [data(5, { 100: 0.5 }), data(0, { 100: 0.5 }), data(9, { 1: 0.5 }, {}, 0)];
    expect(smilesOf(surface(smiles)).map((each) => each.expiryUs)).toEqual([NOW_US + 5 * DAY_US]);
  });

  test("changes of a channel replace, add and take away smiles; others stay as they were", () => {
    const [a, b, c] = [data(1, { 100: 0.5 }), data(2, { 100: 0.6 }), data(3, { 100: 0.7 })];
    const before = surface([a, c]);
    const change = surface([b, data(3, { 100: 0.8 })], { type: "change", gone: [a.expiry_us] });
    const after = mergedSurface(before, change, false);
    expect(smilesOf(after).map((each) => each.received[0]?.volatility)).toEqual([0.6, 0.8]);
    expect(mergedSurface(after, surface([c]), true).smiles).toEqual([c]);
    expect(mergedSurface(before, surface([], { type: "change" }), false).smiles[0]).toBe(a);
  });
});

describe("PAGE-083 axes, colours and the view", () => {
  test("steps are round and ranges reach to them", () => {
    expect([0.38, 7, 24, 1000].map((span) => niceStep(span, 5))).toEqual([0.1, 2, 5, 200]);
    expect(niceRange([0.41, 0.77])).toEqual([0.4, 0.8]);
    expect(niceRange([])).toEqual([0, 1]);
    const [low, high] = niceRange([0.5, 0.5]);
    expect(low).toBeLessThan(0.5);
    expect(high).toBeGreaterThan(0.5);
    expect(ticksOf([-0.6, 0.4], 6)).toEqual([-0.6, -0.4, -0.2, 0, 0.2, 0.4]);
  });

  test("ticks have as many decimals as tell them apart", () => {
    expect([decimalsOf([0, 0.25]), decimalsOf([0.4, 0.425], 100), decimalsOf([5, 10])]).toEqual([
      2, 1, 0,
    ]);
    expect(percentText(0.425, [0.4, 0.425])).toBe("42.5 %");
    expect(tickText("moneyness", -0.25, [-0.25, 0])).toBe("−0.25");
    expect(tickText("moneyness", 0, [-0.25, 0])).toBe("0");
    expect(tickText("strike", 121_000, [])).toBe("121,000");
  });

  test("strikes, expiries and times until them are short and say what they are", () => {
    expect([121_000, 4_350.4, 2.5, 0.003].map(strikeText)).toEqual([
      "121,000",
      "4,350.4",
      "2.5",
      "0.003",
    ]);
    expect(expiryText(Date.UTC(2025, 10, 28, 8) * 1_000)).toBe("28 Nov 2025");
    expect([0.46, 6.04, 75.9].map((days) => untilText(days / 365))).toEqual([
      "11 h",
      "6.0 d",
      "75 d",
    ]);
  });

  test("a colour is that of its stop, between two in between, and at the ends it stays", () => {
    const stops = ["#000000", "#ff0000", "#ffffff"];
    expect(colourAt(0.5, [0, 1], stops)).toEqual([1, 0, 0]);
    expect(colourAt(0.25, [0, 1], stops)).toEqual([0.5, 0, 0]);
    expect(colourAt(9, [0, 1], stops)).toEqual([1, 1, 1]);
    expect(colourAt(-9, [0, 1], stops)).toEqual([0, 0, 0]);
  });

  test("every colour stands at 3 to 1 or more on its panel, and lightness goes one way", () => {
    const css = readFileSync(new URL("../src/styles/tokens.css", import.meta.url), "utf8");
    const panels = [...css.matchAll(/--panel: (#[0-9a-f]{6})/g)].map((found) => found[1] ?? "");
    for (const [theme, panel] of [
      ["dark", panels[0]],
      ["light", panels[1]],
    ] as const) {
      const found = STOPS[theme].map((stop) => contrast(stop, panel ?? ""));
      expect(Math.min(...found)).toBeGreaterThanOrEqual(3);
      expect([...found].sort((a, b) => a - b)).toEqual(found);
    }
  });

  test("keys turn, raise and zoom within bounds, and bring the first view back", () => {
    expect(keyed(FIRST, "ArrowLeft")?.azimuth).toBeGreaterThan(FIRST.azimuth);
    expect(keyed(FIRST, "ArrowRight")?.azimuth).toBeLessThan(FIRST.azimuth);
    expect(keyed(FIRST, "ArrowUp")?.elevation).toBeGreaterThan(FIRST.elevation);
    expect(keyed(FIRST, "+")?.distance).toBeLessThan(FIRST.distance);
    expect(keyed(FIRST, "-")?.distance).toBeGreaterThan(FIRST.distance);
    expect(keyed(turned(FIRST, 2, 1), "0")).toEqual(FIRST);
    expect(keyed(FIRST, "x")).toBeNull();
    expect(turned(FIRST, 0, 9).elevation).toBeLessThan(Math.PI / 2);
    expect(turned(FIRST, 0, -9).elevation).toBeGreaterThan(0);
    expect(nearer(FIRST, 1e9).distance).toBeGreaterThan(1);
    expect(nearer(FIRST, 1e-9).distance).toBeLessThan(40);
  });

  test("the eye keeps its distance, and a move begins and ends at its views", () => {
    const [x, y, z] = eyeOf(FIRST, 0.2);
    expect(Math.hypot(x, y - 0.2, z)).toBeCloseTo(FIRST.distance, 12);
    const goal = turned(FIRST, 1, 0.2);
    expect(midway(FIRST, goal, 0)).toEqual(FIRST);
    expect(midway(FIRST, goal, 1)).toEqual(goal);
  });
});

/** Contrast of two colours by WCAG 2.2. */
function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [a, b].map(luminance).sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

function luminance(hex: string): number {
  const [r, g, b] = rgbOf(hex).map((part) =>
    part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
  ) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
