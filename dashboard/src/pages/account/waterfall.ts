/** A requirement as a waterfall: each part begins where the one before ended, and the last ends at the total. */

import type { BranchView, LeafView } from "../../wire";
import { sumsTo, toNumber } from "./amounts";

export type Level = "initial" | "maintenance";

export interface Step {
  name: string;
  amount: number;
  /** Where its bar begins and ends, as fractions of the widest reach. */
  from: number;
  to: number;
}

/** The bars of parts, and where a total and a balance stand on the same axis. */
export interface Waterfall {
  steps: Step[];
  total: { from: number; to: number };
  balance: { from: number; to: number } | null;
  zero: number;
}

export function waterfallOf(
  parts: readonly { name: string; amount: number }[],
  total: number,
  balance: number | null,
): Waterfall {
  let least = Math.min(0, total, balance ?? 0);
  let most = Math.max(0, total, balance ?? 0);
  let sum = 0;
  for (const part of parts) {
    sum += part.amount;
    least = Math.min(least, sum);
    most = Math.max(most, sum);
  }
  const span = most - least || 1;
  const place = (value: number) => (value - least) / span;
  let before = 0;
  const steps = parts.map(({ name, amount }) => {
    const after = before + amount;
    const step = {
      name,
      amount,
      from: place(Math.min(before, after)),
      to: place(Math.max(before, after)),
    };
    before = after;
    return step;
  });
  const bar = (value: number) => ({
    from: place(Math.min(0, value)),
    to: place(Math.max(0, value)),
  });
  return {
    steps,
    total: bar(total),
    balance: balance === null ? null : bar(balance),
    zero: place(0),
  };
}

/** Whether the parts sum exactly to the requirement, and the leaves of each part to it, at both levels. */
export function isExact(
  parts: readonly BranchView[],
  initial: string,
  maintenance: string,
): boolean {
  const of = (each: BranchView | LeafView, level: Level) => each[level];
  return (["initial", "maintenance"] as const).every(
    (level) =>
      sumsTo(
        parts.map((part) => of(part, level)),
        level === "initial" ? initial : maintenance,
      ) &&
      parts.every((part) =>
        sumsTo(
          part.leaves.map((leaf) => of(leaf, level)),
          part[level],
        ),
      ),
  );
}

/** The leaves of a part by underlying, the underlying with the most first. */
export function byUnderlying(part: BranchView, level: Level): [string, LeafView[]][] {
  const found = new Map<string, LeafView[]>();
  for (const leaf of part.leaves) {
    const group = found.get(leaf.underlying);
    if (group) group.push(leaf);
    else found.set(leaf.underlying, [leaf]);
  }
  const weight = (leaves: LeafView[]) =>
    leaves.reduce((sum, leaf) => sum + toNumber(leaf[level]), 0);
  return [...found].sort((a, b) => weight(b[1]) - weight(a[1]));
}

/** The waterfall in words. */
export function waterfallWords(parts: readonly BranchView[], level: Level, total: string): string {
  const most = [...parts].sort((a, b) => toNumber(b[level]) - toNumber(a[level]))[0];
  const whole = toNumber(total);
  if (!most || !(whole > 0)) return "Nothing is required.";
  const share = Math.round((toNumber(most[level]) / whole) * 100);
  return `The largest part is ${most.name.replaceAll("_", " ")} with ${share} % of the ${level} requirement.`;
}
