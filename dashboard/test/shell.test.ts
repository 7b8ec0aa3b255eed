import { describe, expect, test } from "vitest";
import { asOfIn, withAsOf } from "../src/data/as_of";
import { type Condition, conditionOf, conditionWords } from "../src/data/condition";
import { pathOfWish, wishIn } from "../src/pages/accounts/wish";
import { until } from "../src/pages/overview/past";
import { PLACES, pathOf } from "../src/shell/keys";
import { accountPath, routeOf } from "../src/shell/router";
import type { HealthData, HistoryData } from "../src/wire";

const OPEN = { kind: "open" } as const;
const health = (is_stale: boolean) => ({ is_stale, stale_after_us: 5_000_000 }) as HealthData;

describe("PAGE-020", () => {
  test("live, stale, disconnected, connecting and back in time are told apart", () => {
    const words = (condition: Condition) => conditionWords(condition);
    expect(words(conditionOf(OPEN, true, health(false), 0, 1_000, null))).toBe("Live");
    expect(words(conditionOf(OPEN, true, null, 0, 9_400, null))).toBe(
      "Stale: nothing heard for 9 s",
    );
    expect(words(conditionOf(OPEN, true, health(true), 0, 1_000, null))).toBe(
      "Stale: no event for 5 s or more",
    );
    const gone = { kind: "disconnected", attempt: 2, retryAtMs: 3_500 } as const;
    expect(words(conditionOf(gone, false, health(false), 0, 1_000, null))).toBe(
      "Disconnected, next try in 3 s",
    );
    expect(words(conditionOf(OPEN, false, null, 0, 0, null))).toBe("Connecting");
    expect(words(conditionOf(OPEN, true, health(true), 0, 0, 12_345))).toBe("As of event 12,345");
  });

  test("a lost connection is told before the instant that is shown", () => {
    const gone = { kind: "disconnected", attempt: 2, retryAtMs: 0 } as const;
    expect(conditionOf(gone, false, null, 0, 1, 7).kind).toBe("disconnected");
  });
});

describe("PAGE-022", () => {
  test("the instant stands in the address and other parts of the query stay", () => {
    expect(withAsOf("?q=a", 7)).toBe("?q=a&as_of=7");
    expect(withAsOf("?q=a&as_of=7", null)).toBe("?q=a");
    expect(asOfIn("?as_of=7")).toBe(7);
    for (const text of ["", "?as_of=", "?as_of=-1", "?as_of=1e9", "?as_of=9999999999999999"]) {
      expect(asOfIn(text)).toBe(null);
    }
  });
});

describe("PAGE-023", () => {
  test("the past is shown up to the instant, and no further", () => {
    const past: HistoryData = {
      as_of_seq: 40,
      seq: [10, 20, 30],
      time_us: [1, 2, 3],
      index_prices: { BTC: [1, null, 3] },
      units_by_state: { healthy: [7, 8, 9] },
      insurance_fund_micro: [5, 5, 4],
      bad_debt_micro: [0, 0, 1],
      liquidated: [0, 1, 2],
    };
    const cut = until(past, 29);
    expect(cut).toMatchObject({ as_of_seq: 29, seq: [10, 20], index_prices: { BTC: [1, null] } });
    expect(cut.units_by_state).toEqual({ healthy: [7, 8] });
    expect(until(past, 20).seq).toEqual([10, 20]);
    expect(until(past, 30)).toBe(past);
    expect(until(past, 9).seq).toEqual([]);
  });
});

describe("PAGE-042", () => {
  test("every path has its page, and an unknown one says so", () => {
    const pages = ["/", "/accounts", "/volatility", "/health", "/liquidations", "/parameters"];
    expect([...pages, "/time", "/transparency"].map((path) => routeOf(path).page)).toEqual([
      "overview",
      "accounts",
      "volatility",
      "health",
      "liquidations",
      "parameters",
      "time",
      "transparency",
    ]);
    expect(routeOf("/volatility/BTC")).toMatchObject({ page: "volatility", name: "BTC" });
    expect(routeOf("/accounts/").page).toBe("accounts");
    for (const path of ["/nothing", "/health/x", "/accounts/a/b", "/accounts/%E0%A4%A"]) {
      expect(routeOf(path).page).toBe("unknown");
    }
  });

  test("a unit's name may hold any letter", () => {
    for (const unit of ["maker-7/BTC-PERPETUAL", "a b?c#d%e", "ümlaut"]) {
      expect(routeOf(accountPath(unit))).toMatchObject({ page: "account", name: unit });
    }
  });

  test("letters lead to pages, each to one", () => {
    expect(pathOf("a")).toBe("/accounts");
    expect(pathOf("x")).toBe(null);
    expect(new Set(PLACES.map((place) => place.letter)).size).toBe(PLACES.length);
    for (const place of PLACES) expect(routeOf(place.path).page).not.toBe("unknown");
  });

  test("what the table shows is in its address", () => {
    const path = "/accounts?q=mm&state=bankrupt&state=warning&mode=cross&sort=-equity";
    expect(pathOfWish(wishIn(path.slice(9)))).toBe(path);
    expect(pathOfWish(wishIn(""))).toBe("/accounts");
    expect(wishIn("?sort=nothing").column).toBe("margin_ratio");
  });
});
