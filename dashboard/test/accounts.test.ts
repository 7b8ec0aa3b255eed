import { describe, expect, test } from "vitest";
import { AccountColumns, type NumberColumn } from "../src/data/accounts";
import { AccountsOrder, NEAREST_FIRST, type Wish } from "../src/data/accounts_order";
import { type AccountsData, STATE_NAMES } from "../src/wire";

interface Row {
  unit: string;
  mode?: string;
  state?: number;
  balance: number;
  requirement: number;
}

function told(rows: Row[], at: number[] | null = null, named: Row[] = rows): AccountsData {
  return {
    type: at ? "change" : "snapshot",
    change_id: 1,
    previous_change_id: at ? 0 : null,
    as_of_seq: 7,
    time_us: 8,
    states: [...STATE_NAMES],
    units: named.map((row) => row.unit),
    owners: named.map((row) => row.unit),
    modes: named.map((row) => row.mode ?? "cross"),
    rows: at,
    state: rows.map((row) => row.state ?? 0),
    positions: rows.map(() => 2),
    equity_micro: rows.map((row) => row.balance),
    initial_balance_micro: rows.map((row) => row.balance),
    initial_requirement_micro: rows.map((row) => row.requirement),
    maintenance_balance_micro: rows.map((row) => row.balance),
    maintenance_requirement_micro: rows.map((row) => row.requirement),
  };
}

const ROWS: Row[] = [
  { unit: "Delta", balance: 30, requirement: 10, state: 0 },
  { unit: "alpha-10", balance: 9, requirement: 10, state: 5, mode: "isolated" },
  { unit: "bravo", balance: 50, requirement: 0, state: 0 },
  { unit: "alpha-9", balance: 30, requirement: 10, state: 1 },
];

function filled(rows: Row[] = ROWS): AccountColumns {
  const columns = new AccountColumns();
  columns.apply(told(rows), true);
  return columns;
}

const wish = (more: Partial<Wish>): Wish => ({ ...NEAREST_FIRST, ...more });
const namesOf = (columns: AccountColumns, rows: Int32Array) =>
  [...rows].map((row) => columns.units[row]);

function many(count: number, seed: number): Row[] {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return Array.from({ length: count }, (_, i) => ({
    unit: `unit-${i}`,
    balance: Math.floor(random() * 1e6),
    requirement: random() < 0.1 ? 0 : Math.floor(random() * 50) * 1_000,
    state: Math.floor(random() * 7),
  }));
}

describe("PAGE-030", () => {
  test("columns after changes are those of a snapshot of the same", () => {
    const rows = many(3_000, 3);
    const columns = filled(rows.slice(0, 2_000));
    const changed = many(3_000, 4).map((row, i) => ({ ...row, unit: (rows[i] as Row).unit }));
    const at = Array.from({ length: 3_000 }, (_, i) => i).filter((i) => i % 3 === 0 || i >= 2_000);
    columns.apply(
      told(
        at.map((i) => changed[i] as Row),
        at,
        rows.slice(2_000),
      ),
      false,
    );
    const expected = filled(rows.map((row, i) => (at.includes(i) ? (changed[i] as Row) : row)));
    expect(columns.count).toBe(3_000);
    expect(columns.units).toEqual(expected.units);
    for (const key of Object.keys(columns.numbers) as NumberColumn[]) {
      const [a, b] = [columns, expected].map((each) => each.numbers[key].subarray(0, 3_000));
      expect(a).toEqual(b);
    }
  });

  test("a snapshot forgets what was before", () => {
    const columns = filled();
    columns.apply(told(ROWS.slice(0, 1)), true);
    expect(columns.count).toBe(1);
    expect(columns.rowOf("bravo")).toBeUndefined();
    expect(columns.rowOf("Delta")).toBe(0);
  });

  test("the ratio is the balance over the requirement, the buffer their difference", () => {
    const { numbers } = filled();
    expect(numbers.margin_ratio[1]).toBe(0.9);
    expect(numbers.buffer[1]).toBe(-1);
    expect(numbers.margin_ratio[2]).toBeNaN();
  });
});

describe("PAGE-031", () => {
  test("nearest to liquidation first, equal ratios in the order of their rows", () => {
    const columns = filled();
    const rows = new AccountsOrder(columns).rows(NEAREST_FIRST);
    expect(namesOf(columns, rows)).toEqual(["alpha-10", "Delta", "alpha-9", "bravo"]);
  });

  test("what has no ratio comes last in either direction", () => {
    const columns = filled();
    const rows = new AccountsOrder(columns).rows(wish({ isDescending: true }));
    expect(namesOf(columns, rows)).toEqual(["Delta", "alpha-9", "alpha-10", "bravo"]);
  });

  test("names are sorted as people count: 9 before 10", () => {
    const columns = filled();
    const rows = new AccountsOrder(columns).rows(wish({ column: "unit" }));
    expect(namesOf(columns, rows)).toEqual(["alpha-9", "alpha-10", "bravo", "Delta"]);
  });

  test("the order is that of a comparison sort over ten thousand rows", () => {
    const columns = filled(many(10_000, 5));
    const { margin_ratio } = columns.numbers;
    const key = (row: number) => {
      const value = margin_ratio[row] as number;
      return Number.isNaN(value) ? Number.POSITIVE_INFINITY : value;
    };
    const expected = Array.from({ length: 10_000 }, (_, row) => row);
    expected.sort((a, b) => (key(a) === key(b) ? a - b : key(a) - key(b)));
    expect([...new AccountsOrder(columns).rows(NEAREST_FIRST)]).toEqual(expected);
  });
});

describe("PAGE-032", () => {
  test("states and modes are filters, none named shows all", () => {
    const columns = filled();
    const order = new AccountsOrder(columns);
    const states = new Set(["warning", "full_liquidation"]);
    expect(namesOf(columns, order.rows(wish({ states })))).toEqual(["alpha-10", "alpha-9"]);
    const modes = new Set(["isolated"]);
    expect(namesOf(columns, order.rows(wish({ modes })))).toEqual(["alpha-10"]);
    expect(order.rows(wish({ states: new Set(["bankrupt"]) }))).toHaveLength(0);
  });

  test("a search finds parts of names, small or capital", () => {
    const columns = filled();
    const order = new AccountsOrder(columns);
    expect(namesOf(columns, order.rows(wish({ search: "ALPHA" })))).toEqual([
      "alpha-10",
      "alpha-9",
    ]);
    expect(namesOf(columns, order.rows(wish({ search: " elt " })))).toEqual(["Delta"]);
  });
});

describe("PAGE-033", () => {
  test("the few that are nearest are the first of the whole order", () => {
    for (const seed of [1, 2, 3]) {
      const columns = filled(many(2_000, seed));
      const order = new AccountsOrder(columns);
      const least = [...order.least(NEAREST_FIRST, 12)];
      expect(least).toEqual([...order.rows(NEAREST_FIRST)].slice(0, 12));
    }
    const columns = filled();
    expect(new AccountsOrder(columns).least(NEAREST_FIRST, 12)).toHaveLength(4);
  });
});
