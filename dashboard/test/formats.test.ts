import { describe, expect, test } from "vitest";
import * as numbers from "../src/format/numbers";
import { age, clock, instant } from "../src/format/times";

describe("PAGE-040", () => {
  test("the minus sign is U+2212, thousands are separated, nothing is a dash", () => {
    expect(numbers.fixed(-1_234_567.891, 2)).toBe("\u22121,234,567.89");
    expect(numbers.fixed(-0.001, 2)).toBe("0.00");
    expect(numbers.fixed(null)).toBe("–");
    expect(numbers.fixed(Number.NaN)).toBe("–");
    expect(numbers.signed(1.25, 1)).toBe("+1.3");
    expect(numbers.signed(0.01, 1)).toBe("0.0");
  });

  test("a ratio is rounded down: 1.0000 is not liquidatable", () => {
    expect(numbers.ratio(0.99999)).toBe("0.9999");
    expect(numbers.ratio(1)).toBe("1.0000");
    expect(numbers.ratio(-0.00001)).toBe("\u22120.0001");
    expect(numbers.ratio(12.3456)).toBe("12.34");
    expect(numbers.ratio(Number.NaN)).toBe("–");
    expect(numbers.ratio(1e9)).toBe(">9,999");
  });

  test("amounts, prices, fractions", () => {
    expect(numbers.money(-1_500_000)).toBe("\u22121.50");
    expect(numbers.compactMoney(12_345_678_000_000)).toBe("12.35 M");
    expect(numbers.compact(999.5)).toBe("1,000");
    expect(numbers.compact(0)).toBe("0");
    expect(numbers.price(67_123.456)).toBe("67,123.46");
    expect(numbers.price(0.0031274)).toBe("0.003127");
    expect(numbers.percent(0.28)).toBe("28.00 %");
    expect(numbers.basisPoints(300_000)).toBe("+3.00 bp");
  });

  test("an exact decimal keeps its digits", () => {
    expect(numbers.exact("-12345678901234567890.120000")).toBe(
      "\u221212,345,678,901,234,567,890.120000",
    );
    expect(numbers.exact("1234.5", 2)).toBe("1,234.50");
    expect(numbers.exact("-0.000000")).toBe("0.000000");
    expect(numbers.exact(null)).toBe("–");
  });

  test("the ticks of an axis are told apart", () => {
    expect([5e12, 4.99e12].map((t) => numbers.axisText(t, [5e12, 4.99e12], 1e6))).toEqual([
      "5.00 M",
      "4.99 M",
    ]);
    expect(numbers.axisText(67_500, [67_000, 67_500])).toBe("67.5 k");
    expect(numbers.axisText(0.5, [0, 0.25, 0.5])).toBe("0.50");
  });

  test("times are UTC, ages have a unit", () => {
    const at = 1_767_225_600_000_000 + 3_723_000_000;
    expect(clock(at)).toBe("01:02:03");
    expect(instant(at)).toBe("2026-01-01 01:02:03 UTC");
    expect(clock(0)).toBe("–");
    expect([999_600, 59_960_000].map(age)).toEqual(["1.0 s", "1 min 00 s"]);
    expect([850_000, 12_340_000, 245_000_000, 12_000_000_000].map(age)).toEqual([
      "850 ms",
      "12.3 s",
      "4 min 05 s",
      "3 h 20 min",
    ]);
  });
});
