import { describe, expect, it } from "vitest";
import { refused } from "../src/data/errors";
import { aheadWords, horizonTitle, laterOf } from "../src/pages/account/ahead";
import { fromMicro, inPieces, sumsTo, underlyingOf, unitsOf } from "../src/pages/account/amounts";
import { creditWaitMs } from "../src/pages/account/asking";
import { byLoss, horizonWords, sheetsOf, TOTAL } from "../src/pages/account/grid";
import { byWeight, holdingsOf, totalsOf } from "../src/pages/account/holdings";
import { distance, ladderOf, nearest, rangesOf } from "../src/pages/account/ladder";
import {
  comparisonOf,
  faultOf,
  type Leg,
  largest,
  lotsOf,
  plain,
  quantityOf,
  search,
  sizesOf,
  verdictOf,
} from "../src/pages/account/trade";
import { ratioWords } from "../src/pages/account/unit";
import { byUnderlying, isExact, waterfallOf } from "../src/pages/account/waterfall";
import type {
  AheadRow,
  BranchView,
  CriticalView,
  InstrumentView,
  Portfolio,
  PositionView,
  UnitMatrix,
} from "../src/wire";

const branch = (
  name: string,
  initial: string,
  maintenance: string,
  legs: BranchView["leaves"],
) => ({
  name,
  initial,
  maintenance,
  leaves: legs,
});
const leaf = (name: string, underlying: string, initial: string, maintenance: string) => ({
  name,
  underlying,
  initial,
  maintenance,
});

describe("PAGE-100 Amounts are summed to the last digit, and parts that do not sum are said to", () => {
  it("sums what binary fractions cannot", () => {
    expect(sumsTo(["0.1", "0.2"], "0.3")).toBe(true);
    expect(sumsTo(["90071992547409.91", "0.000001"], "90071992547409.910001")).toBe(true);
    expect(sumsTo(["0.1", "0.2"], "0.300001")).toBe(false);
    expect(sumsTo(["-1.5", "0.25"], "-1.25")).toBe(true);
    expect(sumsTo(["one"], "1")).toBe(false);
  });

  it("refuses digits beyond the scale instead of rounding them", () => {
    expect(unitsOf("12.340000", 2)).toBe(1_234n);
    expect(() => unitsOf("12.341", 2)).toThrow(RangeError);
  });

  it("writes micro-USDC as a decimal and cuts it after the cents", () => {
    expect(fromMicro(-1_500_000)).toBe("-1.500000");
    expect(fromMicro(7)).toBe("0.000007");
    expect(inPieces("224607.655132")).toEqual({ head: "224,607.65", tail: "5132" });
    expect(inPieces("-0.5")).toEqual({ head: "−0.50", tail: "" });
    expect(inPieces("3")).toEqual({ head: "3.00", tail: "" });
  });

  it("finds legs that do not sum to their part, and parts that do not to the requirement", () => {
    const legs = [leaf("A", "BTC", "7.5", "5"), leaf("B", "BTC", "-2.5", "-1")];
    const parts = [
      branch("scenario", "5", "4", legs),
      branch("fee", "1", "1", [leaf("A", "BTC", "1", "1")]),
    ];
    expect(isExact(parts, "6", "5")).toBe(true);
    expect(isExact(parts, "6", "5.000001")).toBe(false);
    const wrong = [branch("scenario", "5", "4", legs.slice(0, 1)), parts[1] as BranchView];
    expect(isExact(wrong, "6", "5")).toBe(false);
  });
});

describe("PAGE-101 Each bar of the waterfall begins where the one before ended", () => {
  it("stands on one axis with the total and the balance", () => {
    const parts = [
      { name: "scenario", amount: 60 },
      { name: "hedge", amount: -20 },
      { name: "fee", amount: 10 },
    ];
    const { steps, total, balance, zero } = waterfallOf(parts, 50, 100);
    expect(steps.map(({ from, to }) => [from, to])).toEqual([
      [0, 0.6],
      [0.4, 0.6],
      [0.4, 0.5],
    ]);
    expect([total, balance, zero]).toEqual([{ from: 0, to: 0.5 }, { from: 0, to: 1 }, 0]);
  });

  it("has room below zero for a balance that is lost", () => {
    const { steps, balance, zero } = waterfallOf([{ name: "tier", amount: 30 }], 30, -10);
    expect(zero).toBe(0.25);
    expect(steps[0]).toMatchObject({ from: 0.25, to: 1 });
    expect(balance).toEqual({ from: 0, to: 0.25 });
  });

  it("puts the underlying with the most first", () => {
    const part = branch("scenario", "9", "9", [
      leaf("a", "ETH", "1", "1"),
      leaf("b", "BTC", "5", "5"),
      leaf("c", "ETH", "3", "3"),
    ]);
    expect(byUnderlying(part, "initial").map(([name]) => name)).toEqual(["BTC", "ETH"]);
  });
});

function critical(more: Partial<CriticalView>): CriticalView {
  return {
    underlying: "ETH",
    reference: "4000",
    tick: "0.01",
    lowest: "0.04",
    highest: "40000",
    instrument: "",
    is_liquidatable: false,
    is_bankrupt: false,
    liquidation: [],
    bankruptcy: [],
    liquidation_below: null,
    liquidation_above: null,
    bankruptcy_below: null,
    bankruptcy_above: null,
    words: [],
    reason: "",
    ...more,
  };
}

describe("PAGE-102 The ranges in which a unit is liquidated follow from the prices at which it turns", () => {
  it("reads falling and rising prices", () => {
    const falling = { price: "3000", direction: "falling" } as const;
    const rising = { price: "5000", direction: "rising" } as const;
    expect(rangesOf([rising, falling], false, 1, 9_000)).toEqual([
      [1, 3_000],
      [5_000, 9_000],
    ]);
    expect(rangesOf([falling], false, 1, 9_000)).toEqual([[1, 3_000]]);
    // Short far puts: liquidated between two prices only.
    const first = { price: "60", direction: "rising" } as const;
    expect(rangesOf([falling, first], false, 1, 9_000)).toEqual([[60, 3_000]]);
    expect(rangesOf([], true, 1, 9_000)).toEqual([[1, 9_000]]);
    expect(rangesOf([], false, 1, 9_000)).toEqual([]);
  });

  it("draws as far below as above, on a logarithmic axis", () => {
    const view = critical({
      liquidation: [{ price: "2000", direction: "falling" }],
      liquidation_below: "2000",
    });
    const ladder = ladderOf(view);
    expect(ladder?.index.at).toBeCloseTo(0.5, 12);
    expect((ladder?.low ?? 0) * (ladder?.high ?? 0)).toBeCloseTo(4_000 ** 2, 3);
    expect(ladder?.liquidation[0]?.at).toBeLessThan(0.5);
    expect(ladder?.liquidatable).toEqual([[0, ladder?.liquidation[0]?.at]]);
    expect(ladderOf(critical({ reference: null }))).toBeNull();
  });

  it("keeps a price beyond the axis at its end, and says so", () => {
    const ladder = ladderOf(critical({ liquidation: [{ price: "60", direction: "falling" }] }));
    expect(ladder?.liquidation[0]).toMatchObject({ at: 0, isBeyond: true });
  });

  it("finds the nearest of all underlyings", () => {
    const views = [
      critical({ liquidation_below: "3000" }),
      critical({ underlying: "BTC", reference: "100000", liquidation_above: "110000" }),
      critical({ underlying: "SOL", reference: null }),
    ];
    const found = nearest(views);
    expect([found?.view.underlying, found?.price]).toEqual(["BTC", "110000"]);
    expect(found?.move).toBeCloseTo(0.1, 12);
    expect(distance("3000", "4000")).toBe(-0.25);
    expect(nearest([critical({})])).toBeNull();
  });
});

function instrument(name: string, more: Partial<InstrumentView> = {}): InstrumentView {
  return {
    instrument_name: name,
    kind: "future",
    base_currency: underlyingOf(name),
    quote_currency: "USDC",
    instrument_type: "linear",
    settlement_period: "perpetual",
    contract_size: 1,
    is_active: true,
    price_index: "btc_usd",
    expiration_timestamp: null,
    as_of_seq: 1,
    min_trade_amount: 0.001,
    position_limit: 100,
    ...more,
  };
}

const PERPETUAL = instrument("ETH_USDC-PERPETUAL");
const INVERSE = instrument("ETH-PERPETUAL", {
  instrument_type: "reversed",
  min_trade_amount: 10,
  position_limit: 1e6,
});
const OPTION = instrument("ETH-11OCT25-4100-P", {
  kind: "option",
  expiration_timestamp: 1,
  strike: 4_100,
  option_type: "put",
});
const KNOWN = new Map([PERPETUAL, INVERSE, OPTION].map((each) => [each.instrument_name, each]));
const leg = (id: number, name: string, side: Leg["side"], quantity: string): Leg => ({
  id,
  instrument: name,
  side,
  quantity,
});

describe("PAGE-103 A quantity is a whole number of lots, or the nearest ones are named", () => {
  it("counts lots without binary fractions", () => {
    expect(lotsOf("0.3", PERPETUAL)).toEqual({ lots: 300n });
    expect(lotsOf("1,250", INVERSE)).toEqual({ lots: 125n });
    expect(lotsOf("0.0015", PERPETUAL)).toEqual({
      fault: "A lot is 0.001 ETH: give 0.001 or 0.002.",
    });
    expect(lotsOf("0.0004", PERPETUAL)).toEqual({ fault: "A lot is 0.001 ETH: give 0.001." });
    expect(lotsOf("15", INVERSE)).toEqual({ fault: "A lot is 10 USD: give 10 or 20." });
    expect(lotsOf("100.001", PERPETUAL)).toEqual({ fault: "The position limit is 100 ETH." });
  });

  it("refuses what is no quantity", () => {
    for (const typed of ["", "-1", "1e5", "NaN", "0x10", "1.2.3", "٣"]) {
      expect(lotsOf(typed, PERPETUAL)).toEqual({
        fault: "Give a quantity above zero, such as 0.5.",
      });
    }
    expect(lotsOf("0.000", PERPETUAL)).toEqual({ fault: "Give a quantity above zero." });
  });

  it("names an instrument that is not there or has expired", () => {
    expect(faultOf(leg(1, "NOTHING", "buy", "1"), KNOWN).instrument).toMatch(
      /no instrument NOTHING/,
    );
    const gone = new Map([[OPTION.instrument_name, { ...OPTION, is_active: false }]]);
    expect(faultOf(leg(1, OPTION.instrument_name, "buy", "1"), gone).instrument).toMatch(/expired/);
    expect(faultOf(leg(1, "", "buy", ""), KNOWN)).toEqual({ instrument: null, quantity: null });
  });

  it("writes quantities without an exponent", () => {
    expect(plain(1e-7)).toBe("0.0000001");
    expect(quantityOf(12_345n, PERPETUAL)).toBe("12.345");
    expect(quantityOf(-7n, PERPETUAL)).toBe("-0.007");
  });
});

describe("PAGE-104 Legs of one instrument are added, and a ticket that is not whole is not tried", () => {
  it("adds with signs, and leaves out what cancels", () => {
    const name = PERPETUAL.instrument_name;
    expect(sizesOf([leg(1, name, "buy", "0.3"), leg(2, name, "sell", "0.1")], KNOWN)).toEqual({
      [name]: 0.2,
    });
    expect(sizesOf([leg(1, name, "buy", "1"), leg(2, name, "sell", "1")], KNOWN)).toBeNull();
    expect(sizesOf([leg(1, name, "sell", "2"), leg(2, "", "buy", "")], KNOWN)).toEqual({
      [name]: -2,
    });
  });

  it("waits while a leg is unfinished or wrong", () => {
    const name = PERPETUAL.instrument_name;
    expect(sizesOf([leg(1, name, "buy", "1"), leg(2, name, "buy", "0.0001")], KNOWN)).toBeNull();
    expect(sizesOf([leg(1, name, "buy", "")], KNOWN)).toBeNull();
    expect(sizesOf([leg(1, "NOTHING", "buy", "1")], KNOWN)).toBeNull();
    expect(sizesOf([], KNOWN)).toBeNull();
  });

  it("finds instruments by any of their words, those held first, linear before inverse", () => {
    const all = [OPTION, INVERSE, PERPETUAL];
    const names = (text: string, held: string[] = []) =>
      search(text, all, new Set(held), 9).map((each) => each.instrument_name);
    expect(names("eth perp")).toEqual([PERPETUAL.instrument_name, INVERSE.instrument_name]);
    expect(names("4100 p")).toEqual([OPTION.instrument_name]);
    expect(names("", [OPTION.instrument_name])[0]).toBe(OPTION.instrument_name);
    expect(names("doge")).toEqual([]);
  });
});

describe("PAGE-105 The largest quantity that is borne is found, and one lot more is not borne", () => {
  const upTo = async (most: bigint, limit: bigint) => {
    const asked: bigint[] = [];
    const found = await largest(limit, async (lots) => {
      asked.push(lots);
      return lots <= most;
    });
    return { found, asked };
  };

  it("for every most below a limit, in few questions", async () => {
    for (let most = 0n; most <= 130n; most += 1n)
      expect((await upTo(most, 100n)).found).toBe(most > 100n ? 100n : most);
    const { found, asked } = await upTo(123_456_789n, 10n ** 12n);
    expect(found).toBe(123_456_789n);
    expect(asked.length).toBeLessThan(80);
  });

  it("where small trades do not help and larger ones do", async () => {
    const found = await largest(1_000n, async (lots) => lots >= 50n && lots <= 300n);
    expect(found).toBe(300n);
    expect(await largest(0n, async () => true)).toBe(0n);
  });
});

const MATRIX: UnitMatrix = {
  scenarios: [
    { number: 1, move: -1, volatility: "down", days: 0, weight: 1, tag: "standard" },
    { number: 2, move: -1, volatility: "up", days: 0, weight: 1, tag: "standard" },
    { number: 3, move: 1, volatility: "up", days: 0, weight: 1, tag: "standard" },
    { number: 4, move: 3, volatility: "up", days: 0, weight: 0.2, tag: "extended" },
    { number: 5, move: -1, volatility: "same", days: 1, weight: 1, tag: "standard" },
  ],
  underlyings: [
    {
      underlying: "SOL",
      index_price: 200,
      range: 0.3,
      moves: [-0.3, -0.3, 0.3, 0.9, -0.3],
      prices: [140, 140, 260, 380, 140],
      profits: [-1, -2, 3, 4, -1.5],
      worst: 2,
      worst_loss: 2,
      words: "price -30 %, volatility up",
    },
    {
      underlying: "BTC",
      index_price: 100_000,
      range: 0.15,
      moves: [-0.15, -0.15, 0.15, 0.45, -0.15],
      prices: [85_000, 85_000, 115_000, 145_000, 85_000],
      profits: [-10, -9, 8, 7, -20],
      worst: 5,
      worst_loss: 20,
      words: "price -15 %",
    },
  ],
  total: [-11, -11, 11, 11, -21.5],
  requirement_by: "scenario",
  statement: "",
};

describe("PAGE-106 The grid is laid out by price and volatility, a sheet a horizon, the binding cell in it", () => {
  it("puts each scenario into its one cell and leaves the others empty", () => {
    const [now, later] = sheetsOf(MATRIX, "SOL");
    expect(now?.moves.map((move) => [move.share, move.move, move.price])).toEqual([
      [-1, -0.3, 140],
      [1, 0.3, 260],
      [3, 0.9, 380],
    ]);
    expect(now?.rows.up.map((cell) => cell?.profit ?? null)).toEqual([-2, 3, 4]);
    expect(now?.rows.down.map((cell) => cell?.profit ?? null)).toEqual([-1, null, null]);
    expect(now?.rows.same).toEqual([null, null, null]);
    expect(now?.rows.up[2]?.weight).toBe(0.2);
    expect(later?.rows.same[0]?.profit).toBe(-1.5);
    const binding = [now, later].flatMap((sheet) =>
      Object.values(sheet?.rows ?? {})
        .flat()
        .filter((cell) => cell?.isBinding),
    );
    expect(binding.map((cell) => cell?.number)).toEqual([2]);
  });

  it("marks no cell where the requirement goes by tiers", () => {
    const sheets = sheetsOf({ ...MATRIX, requirement_by: "tier" }, "SOL");
    const cells = sheets.flatMap((sheet) => Object.values(sheet.rows).flat());
    expect(cells.some((cell) => cell?.isBinding)).toBe(false);
  });

  it("marks no cell of the total, whose worst cells are each underlying's own", () => {
    const sheets = sheetsOf(MATRIX, TOTAL);
    expect(sheets[0]?.rows.up.map((cell) => cell?.profit)).toEqual([-11, 11, 11]);
    expect(
      sheets.flatMap((sheet) => Object.values(sheet.rows).flat()).some((cell) => cell?.isBinding),
    ).toBe(false);
    expect(sheets[0]?.moves[0]).toEqual({ share: -1, move: null, price: null });
    expect(byLoss(MATRIX).map((each) => each.underlying)).toEqual(["BTC", "SOL"]);
    expect([0, 0.5, 1, 7].map(horizonWords)).toEqual([
      "at once",
      "in 12 hours",
      "in 1 day",
      "in 7 days",
    ]);
  });
});

function row(
  horizon: string,
  at: number,
  move: number,
  ratio: string | null,
  settled: string[] = [],
): AheadRow {
  return {
    unit: "alice",
    horizon,
    at_us: at,
    move_ppm: move,
    state: "healthy",
    equity_micro: 0,
    profit_micro: 0,
    initial_balance_micro: 0,
    initial_requirement_micro: 0,
    maintenance_balance_micro: 0,
    maintenance_requirement_micro: 0,
    buffer_micro: 0,
    margin_ratio: ratio,
    settled,
    unfit: [],
  };
}

describe("PAGE-107 What is ahead is told by instant and move, the first danger in words", () => {
  const moves = [-100_000, 0, 100_000];

  it("sorts by instant, keeps the unit's rows alone, and names what expires", () => {
    const rows = [
      row("1d", 300, 0, "1.2"),
      row("expiry", 200, 0, "1.3", ["A"]),
      row("now", 100, -100_000, "0.9"),
      { ...row("now", 100, 0, "5"), unit: "alice/BTC-PERPETUAL" },
    ];
    const laters = laterOf(rows, "alice", moves);
    expect(laters.map((later) => later.horizon)).toEqual(["now", "expiry", "1d"]);
    expect(laters[0]?.cells.map((cell) => cell?.margin_ratio ?? null)).toEqual(["0.9", null, null]);
    expect(laters[1]?.settled).toEqual(["A"]);
  });

  it("says the nearest danger", () => {
    const calm = laterOf([row("now", 1, 0, "1.2"), row("4h", 2, 0, "0.99")], "alice", moves);
    expect(aheadWords(calm, 1)).toBe("Liquidatable in 4 hours even if no price moves.");
    const moved = laterOf(
      [row("now", 1, 0, "1.2"), row("now", 1, -100_000, "0.8")],
      "alice",
      moves,
    );
    expect(aheadWords(moved, 1)).toBe("Liquidatable now if prices move by −10 %.");
    const safe = laterOf([row("now", 1, 0, null)], "alice", moves);
    expect(aheadWords(safe, 1)).toMatch(/^Not liquidatable/);
    expect(["now", "1h", "2w", "expiry"].map(horizonTitle)).toEqual([
      "Now",
      "In 1 hour",
      "In 2 weeks",
      "At the next expiry",
    ]);
  });
});

describe("PAGE-108 A refusal for want of credits says how long it is waited out; no other is", () => {
  it("waits what was asked, within half a minute", () => {
    const waits = (us: number | undefined) => {
      const retry = us === undefined ? {} : { retry_after_us: us };
      const data = { reason: "", code: "ACCS-E40", rule: "", cure: "", ...retry };
      return creditWaitMs(refused({ code: 10028, message: "too_many_requests", data }));
    };
    expect(waits(400_000)).toBe(430);
    expect(waits(1)).toBe(50);
    expect(waits(10 ** 9)).toBe(30_000);
    expect(waits(undefined)).toBeNull();
  });
});

function position(name: string, more: Partial<PositionView>): PositionView {
  return {
    account: "alice",
    currency: "USDC",
    method: "steelyard",
    version: "1",
    method_hash: "",
    as_of_seq: 1,
    as_of_us: 1,
    instrument_name: name,
    kind: "future",
    direction: "buy",
    size: 1,
    size_unit: "ETH",
    size_currency: null,
    average_price: 1,
    mark_price: 1,
    index_price: 4_000,
    floating_profit_loss: 0,
    delta: 1,
    gamma: null,
    vega: null,
    theta: null,
    settlement_currency: null,
    ...more,
  };
}

describe("PAGE-109 Positions state their notional at the index and their share of the requirement", () => {
  const parts = [
    branch("scenario", "0", "30", [
      leaf("ETH_USDC-PERPETUAL", "ETH", "0", "50"),
      leaf("ETH-PERPETUAL", "ETH", "0", "-20"),
    ]),
    branch("liquidation_cost", "0", "10", [leaf("ETH_USDC-PERPETUAL", "ETH", "0", "10")]),
  ];

  it("adds a leg's parts, a hedge below zero, the heaviest first", () => {
    const held = holdingsOf(
      [
        position("ETH-PERPETUAL", { size: -2_000, size_unit: "USD" }),
        position("ETH_USDC-PERPETUAL", { size: 0.5 }),
      ],
      parts,
      40,
    ).sort(byWeight);
    expect(held.map((each) => [each.position.instrument_name, each.notional, each.share])).toEqual([
      ["ETH_USDC-PERPETUAL", 2_000, 1.5],
      ["ETH-PERPETUAL", 2_000, -0.5],
    ]);
  });

  it("knows no share before the parts, and no notional without an index", () => {
    const [held] = holdingsOf([position("ETH_USDC-PERPETUAL", { index_price: null })], null, 40);
    expect([held?.notional, held?.share]).toEqual([null, null]);
  });

  it("tells Greeks by underlying", () => {
    const summary = {
      delta_total_map: { btc_usd: 0.5 },
      options_gamma_map: { btc_usd: 0.001 },
      options_vega_map: {},
      options_theta_map: { btc_usd: -3 },
    } as unknown as Portfolio;
    expect(totalsOf(summary)).toEqual([
      { underlying: "BTC", delta: 0.5, gamma: 0.001, vega: null, theta: -3 },
    ]);
  });
});

describe("PAGE-110 What a ratio and a trade mean stands in words", () => {
  const unit = (ratio: number | null, free: number) =>
    ({
      margin_ratio: ratio,
      available_funds: free,
      equity: 100,
      initial_margin: 1,
      maintenance_margin: 1,
      margin_balance: 3,
      currency: "USDC",
      unit: null,
    }) as unknown as Portfolio;

  it("says liquidatable, spared or without a requirement", () => {
    expect(ratioWords(0.99, 5)).toBe("below 1: liquidatable");
    expect(ratioWords(1.25, 5)).toBe("liquidatable below 1; 20 % of the balance to spare");
    expect(ratioWords(null, 0)).toMatch(/no requirement/);
    expect(ratioWords(-0.2, 5)).toMatch(/below zero/);
  });

  it("warns of a trade that liquidates, that is not covered, or that helps too little", () => {
    expect(verdictOf(unit(2, 10), unit(0.9, -5)).tone).toBe("bad");
    expect(verdictOf(unit(2, 10), unit(1.2, -5)).text).toMatch(/refused while it adds risk/);
    expect(verdictOf(unit(1.1, -20), unit(1.2, -5)).text).toMatch(/^It helps/);
    expect(verdictOf(unit(1.1, 5), unit(1.2, 8)).tone).toBe("good");
    const rows = comparisonOf(unit(1.1, 5), unit(1.2, 8));
    expect(rows[0]).toMatchObject({ name: "Margin ratio", before: 1.1, after: 1.2, unit: "" });
    expect(rows.at(-1)).toMatchObject({ name: "Buffer", before: 2, after: 2, unit: "USDC" });
  });
});
