/** The tree of parameters as lines, what they mean for people, and what may be typed for them. */

import type { Parameter } from "../../control_wire";
import { compact, fixed, MINUS, NONE, percent, signed } from "../../format/numbers";
import { age } from "../../format/times";

export interface Leaf {
  path: string;
  name: string;
  /** The path of the table that it stands in. */
  table: string;
  unit: string;
  value: unknown;
}

/** Parts of a method with one table an asset; an asset without one has that of `default`. */
const TABLES: ReadonlySet<string> = new Set([
  "index",
  "implied",
  "liquidity",
  "underlying",
  "collateral",
]);
const UNITS: Record<string, string> = {
  "parts per million": "ppm",
  "parts per thousand million": "ppb",
  "parts per billion": "ppb",
  microseconds: "µs",
};
const WHOLE: ReadonlySet<string> = new Set(["ppm", "ppb", "µs", "USD"]);
export const VALUE_LENGTH_MAX = 4_096;

/** Every number of the tree, in the order of the document. */
export function leavesOf(parameters: readonly Parameter[], table = ""): Leaf[] {
  return parameters.flatMap((each) =>
    each.children.length
      ? leavesOf(each.children, each.path)
      : [{ path: each.path, name: each.name, table, unit: each.unit, value: each.value }],
  );
}

/** The tables in their order, with their lines; those of a search alone when there is one. */
export function tablesOf(
  leaves: readonly Leaf[],
  search = "",
): { table: string; leaves: Leaf[] }[] {
  const found = new Map<string, Leaf[]>();
  for (const leaf of leaves) {
    if (!matches(leaf, search)) continue;
    const lines = found.get(leaf.table) ?? [];
    lines.push(leaf);
    found.set(leaf.table, lines);
  }
  return [...found].map(([table, lines]) => ({ table, leaves: lines }));
}

/** Whether every word that is looked for stands in the path, the unit or the value. */
export function matches(leaf: Leaf, search: string): boolean {
  const text = `${leaf.path} ${leaf.unit} ${shownValue(leaf.value)}`.toLowerCase();
  const words = search.toLowerCase().split(/[\s]+/);
  return words.every((word) => text.includes(word) || text.replaceAll("_", " ").includes(word));
}

/** The parameter at a path; an asset without a table of its own has the value of `default`. */
export function leafAt(leaves: readonly Leaf[], path: string): Leaf | null {
  const own = leaves.find((leaf) => leaf.path === path);
  if (own) return own;
  const [part = "", asset = "", ...rest] = path.split(".");
  if (!TABLES.has(part) || !/^[A-Za-z0-9]{1,16}$/.test(asset) || rest.length !== 1) return null;
  if (leaves.some((leaf) => leaf.table === `${part}.${asset}`)) return null;
  const copied = leaves.find((leaf) => leaf.path === `${part}.default.${rest[0]}`);
  return copied ? { ...copied, path, table: `${part}.${asset}` } : null;
}

export const unitText = (unit: string): string => UNITS[unit] ?? unit;

/** A value as one line; lists of rows as how many there are. */
export function shownValue(value: unknown): string {
  if (value === null || value === undefined) return NONE;
  if (typeof value === "number") return numberText(value);
  if (Array.isArray(value)) {
    if (value.every((each) => typeof each === "number")) return value.map(numberText).join(", ");
    return value.length === 1 ? "1 row" : `${value.length} rows`;
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function numberText(value: number): string {
  if (Number.isInteger(value)) return fixed(value);
  return String(value).replace("-", MINUS);
}

/** What a number means: 150,000 ppm is 15 %; empty where the number says it itself. */
export function meaning(value: unknown, unit: string): string {
  if (typeof value !== "number") return "";
  if (unit === "parts per million") return percent(value / 1e6, decimalsOf(value / 1e4));
  if (unitText(unit) === "ppb") return percent(value / 1e9, decimalsOf(value / 1e7));
  if (unit === "microseconds") return value === 0 ? "at once" : age(value).replace(" 00 s", "");
  if (unit === "USD") return Math.abs(value) >= 1e6 ? compact(value) : "";
  return "";
}

const decimalsOf = (value: number): number => {
  const text = String(value);
  return Math.min(4, text.includes(".") ? (text.split(".")[1] ?? "").length : 0);
};

/** By how much a number changes, as a share of what it is: +20 %; empty where that says nothing. */
export function changeText(before: unknown, after: unknown): string {
  if (typeof before !== "number" || typeof after !== "number" || before === 0) return "";
  const share = (after - before) / Math.abs(before);
  return `${signed(share * 100, Math.abs(share) < 0.1 ? 2 : 0)} %`;
}

export const isSame = (one: unknown, other: unknown): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

/** The value of the same parameter in the method's document; undefined where it has none of that form. */
export function documented(document: Record<string, unknown> | null, leaf: Leaf): unknown {
  let node: unknown = document;
  for (const key of leaf.path.split(".")) {
    if (typeof node !== "object" || node === null || Array.isArray(node)) return undefined;
    node = (node as Record<string, unknown>)[key];
  }
  return formOf(node) === formOf(leaf.value) ? node : undefined;
}

function formOf(value: unknown): string {
  return Array.isArray(value) ? `list of ${value.length ? formOf(value[0]) : "any"}` : typeof value;
}

/** A value as text to begin typing from. */
export const textOf = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value);

export type Typed = { value: unknown } | { fault: string };

/** What was typed for a parameter, or the rule that it breaks. The engine checks what this cannot know. */
export function typed(text: string, leaf: Leaf): Typed {
  if (text.trim() === "") return { fault: "a value is needed" };
  if (text.length > VALUE_LENGTH_MAX) return { fault: "a value has at most 4,096 characters" };
  if (typeof leaf.value === "number") return typedNumber(text, leaf.unit);
  if (typeof leaf.value === "string") return typedWord(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: "this is written as JSON, such as [1, 2.5]" };
  }
  if (Array.isArray(leaf.value)) return typedList(value, leaf.value[0]);
  return typeof value === typeof leaf.value ? { value } : { fault: "this has another form" };
}

function typedNumber(text: string, unit: string): Typed {
  const bare = text.replace(/[,_\s]/g, "").replace(MINUS, "-");
  if (!/^-?\d+(\.\d+)?$/.test(bare)) return { fault: "this is no number" };
  const value = Number(bare);
  const short = unitText(unit);
  if (WHOLE.has(short)) {
    if (!Number.isSafeInteger(value)) return { fault: `${unit} are whole numbers` };
    if (value < 0) return { fault: `${unit} are not negative here` };
  }
  return { value };
}

function typedWord(text: string): Typed {
  const word = text.trim();
  return /^[\w.-]+$/.test(word) ? { value: word } : { fault: "this is one word" };
}

function typedList(value: unknown, first: unknown): Typed {
  if (!Array.isArray(value)) return { fault: "this is a list: [ … ]" };
  if (typeof first === "number") {
    const isFit = value.every((each) => typeof each === "number");
    return isFit ? { value } : { fault: "every item is a number" };
  }
  if (typeof first === "object" && first !== null) {
    const names = Object.keys(first).sort();
    const isFit = value.every(
      (each) => typeof each === "object" && each && isSame(Object.keys(each).sort(), names),
    );
    return isFit ? { value } : { fault: `every row has ${names.join(", ")}` };
  }
  return { value };
}
