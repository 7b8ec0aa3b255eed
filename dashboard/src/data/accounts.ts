/**
 * Every margin unit in columns, as `accounts.200ms` tells them: one typed array a column.
 *
 * Ten thousand objects that change five times a second are work for the collector of garbage; a column is
 * written in place. Rows keep their number for as long as the connection lasts.
 */

import type { AccountsData } from "../wire";

export const AMOUNTS = [
  "equity",
  "initial_balance",
  "initial_requirement",
  "maintenance_balance",
  "maintenance_requirement",
] as const;
export type Amount = (typeof AMOUNTS)[number];
export type NumberColumn = Amount | "margin_ratio" | "buffer" | "state" | "positions";

const FIRST_CAPACITY = 1_024;

/** Amounts in micro-USDC. margin_ratio is NaN for a unit without a requirement: it cannot be liquidated. */
export class AccountColumns {
  count = 0;
  /** Rises with every message; names also has `namesVersion`, which rises when rows are added. */
  version = 0;
  namesVersion = 0;
  asOfSeq = 0;
  timeUs = 0;
  states: readonly string[] = [];
  units: string[] = [];
  owners: string[] = [];
  modes: string[] = [];
  /** Names in small letters, for searching. */
  searched: string[] = [];
  readonly numbers: Record<NumberColumn, Float64Array>;
  private readonly places = new Map<string, number>();

  constructor() {
    const column = () => new Float64Array(FIRST_CAPACITY);
    this.numbers = {
      equity: column(),
      initial_balance: column(),
      initial_requirement: column(),
      maintenance_balance: column(),
      maintenance_requirement: column(),
      margin_ratio: column(),
      buffer: column(),
      state: column(),
      positions: column(),
    };
  }

  /** The row of a unit, undefined where there is none. */
  rowOf(unit: string): number | undefined {
    return this.places.get(unit);
  }

  stateOf(row: number): string {
    return this.states[this.numbers.state[row] ?? 0] ?? "unknown";
  }

  /** Take a snapshot, or the rows that changed. */
  apply(data: AccountsData, isSnapshot: boolean): void {
    if (isSnapshot) this.clear();
    this.states = data.states;
    this.name(data);
    const { rows } = data;
    const n = data.state.length;
    const { state, positions, margin_ratio, buffer } = this.numbers;
    const balance = this.numbers.maintenance_balance;
    const requirement = this.numbers.maintenance_requirement;
    for (const amount of AMOUNTS) {
      const to = this.numbers[amount];
      const from = data[`${amount}_micro`];
      if (rows) for (let i = 0; i < n; i++) to[rows[i] as number] = from[i] as number;
      else to.set(from);
    }
    for (let i = 0; i < n; i++) {
      const row = rows ? (rows[i] as number) : i;
      state[row] = data.state[i] as number;
      positions[row] = data.positions[i] as number;
      const held = balance[row] as number;
      const needed = requirement[row] as number;
      buffer[row] = held - needed;
      margin_ratio[row] = needed > 0 ? held / needed : Number.NaN;
    }
    this.asOfSeq = data.as_of_seq;
    this.timeUs = data.time_us;
    this.version += 1;
  }

  private clear(): void {
    this.count = 0;
    this.units = [];
    this.owners = [];
    this.modes = [];
    this.searched = [];
    this.places.clear();
    this.namesVersion += 1;
  }

  private name(data: AccountsData): void {
    if (data.units.length === 0) return;
    this.reserve(this.count + data.units.length);
    for (let i = 0; i < data.units.length; i++) {
      const unit = data.units[i] as string;
      this.places.set(unit, this.count + i);
      this.units.push(unit);
      this.owners.push(data.owners[i] ?? unit);
      this.modes.push(data.modes[i] ?? "");
      this.searched.push(unit.toLowerCase());
    }
    this.count += data.units.length;
    this.namesVersion += 1;
  }

  private reserve(rows: number): void {
    const capacity = this.numbers.state.length;
    if (rows <= capacity) return;
    const wider = Math.max(rows, 2 * capacity);
    for (const key of Object.keys(this.numbers) as NumberColumn[]) {
      const column = new Float64Array(wider);
      column.set(this.numbers[key]);
      this.numbers[key] = column;
    }
  }
}
