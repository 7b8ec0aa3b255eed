/** Which rows are shown, and in which order: an index over the columns, that never moves a row. */

import type { AccountColumns, NumberColumn } from "./accounts";

export type SortColumn = NumberColumn | "unit" | "mode";

export interface Wish {
  column: SortColumn;
  isDescending: boolean;
  /** Part of a unit's name, small or capital letters alike. */
  search: string;
  /** Names of the states and modes that are shown; none named: all of them. */
  states: ReadonlySet<string>;
  modes: ReadonlySet<string>;
}

export const NEAREST_FIRST: Wish = {
  column: "margin_ratio",
  isDescending: false,
  search: "",
  states: new Set(),
  modes: new Set(),
};

/**
 * Filters and sorts row numbers, stably: equal keys stay in the order of their rows.
 *
 * What has no number (a ratio without a requirement) comes last in either direction.
 */
export class AccountsOrder {
  private keys = new Float64Array(0);
  private index = new Int32Array(0);
  private ranks: { column: "unit" | "mode"; version: number; keys: Float64Array } | null = null;

  constructor(private readonly columns: AccountColumns) {}

  /** Row numbers as wished, a view that the next call overwrites. */
  rows(wish: Wish): Int32Array {
    this.reserve();
    const found = this.filter(wish);
    this.fillKeys(wish, found);
    const { keys } = this;
    return found.sort((a, b) => {
      const x = keys[a] as number;
      const y = keys[b] as number;
      return x < y ? -1 : x > y ? 1 : a - b;
    });
  }

  /** The first few rows as wished, without sorting the others. */
  least(wish: Wish, most: number): Int32Array {
    this.reserve();
    const found = this.filter(wish);
    this.fillKeys(wish, found);
    const { keys } = this;
    const first = new Int32Array(Math.min(most, found.length));
    let held = 0;
    for (let i = 0; i < found.length; i++) {
      const row = found[i] as number;
      const key = keys[row] as number;
      if (held === most && key >= (keys[first[held - 1] as number] as number)) continue;
      let at = held < most ? held++ : held - 1;
      while (at > 0 && (keys[first[at - 1] as number] as number) > key) {
        first[at] = first[at - 1] as number;
        at -= 1;
      }
      first[at] = row;
    }
    return first;
  }

  private reserve(): void {
    const { count } = this.columns;
    if (this.index.length >= count) return;
    this.index = new Int32Array(count);
    this.keys = new Float64Array(count);
  }

  private filter(wish: Wish): Int32Array {
    const { columns, index } = this;
    const search = wish.search.trim().toLowerCase();
    const hasStates = wish.states.size > 0;
    const hasModes = wish.modes.size > 0;
    const isShown = columns.states.map((state) => !hasStates || wish.states.has(state));
    let found = 0;
    for (let row = 0; row < columns.count; row++) {
      if (hasStates && !isShown[columns.numbers.state[row] as number]) continue;
      if (hasModes && !wish.modes.has(columns.modes[row] as string)) continue;
      if (search && !(columns.searched[row] as string).includes(search)) continue;
      index[found++] = row;
    }
    return index.subarray(0, found);
  }

  /** Keys that always rise: a descending wish negates them, and nothing is the greatest of all. */
  private fillKeys(wish: Wish, rows: Int32Array): void {
    const { column } = wish;
    const isName = column === "unit" || column === "mode";
    const from = isName ? this.ranked(column) : this.columns.numbers[column];
    const sign = wish.isDescending ? -1 : 1;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      const key = (from[row] as number) * sign;
      this.keys[row] = Number.isNaN(key) ? Number.POSITIVE_INFINITY : key;
    }
  }

  /** The place of each name among the sorted names, worked out once for each set of names. */
  private ranked(column: "unit" | "mode"): Float64Array {
    const { columns } = this;
    if (this.ranks?.column === column && this.ranks.version === columns.namesVersion) {
      return this.ranks.keys;
    }
    const names = column === "unit" ? columns.units : columns.modes;
    const collator = new Intl.Collator("en", { numeric: true });
    const distinct = [...new Set(names)].sort(collator.compare);
    const place = new Map(distinct.map((name, rank) => [name, rank]));
    const keys = Float64Array.from(names, (name) => place.get(name) as number);
    this.ranks = { column, version: columns.namesVersion, keys };
    return keys;
  }
}
