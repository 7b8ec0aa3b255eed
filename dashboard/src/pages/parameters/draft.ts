/** The proposal that is being written; it stays while other tabs and pages are looked at. */

import type { ChangeTold, Parameter, Proposed } from "../../control_wire";
import { Cell } from "../../data/emitter";
import { isSame, type Leaf, leafAt, leavesOf, textOf, typed } from "./tree";

export interface DraftLine {
  path: string;
  text: string;
}

export interface Draft {
  lines: readonly DraftLine[];
  reason: string;
  /** Minutes from now until it takes effect; "" at its approval. */
  inMinutes: string;
}

export const EMPTY: Draft = { lines: [], reason: "", inMinutes: "" };
export const draft = new Cell<Draft>(EMPTY);
/** What the engine works out the impact of at once. */
export const LINES_MAX = 50;
export const REASON_LENGTH_MAX = 400;

/** Put a parameter into the draft with the value that it has; one that is there stays as it is. */
export function addToDraft(leaf: Leaf): void {
  const now = draft.get();
  if (now.lines.some((line) => line.path === leaf.path) || now.lines.length >= LINES_MAX) return;
  draft.set({ ...now, lines: [...now.lines, { path: leaf.path, text: textOf(leaf.value) }] });
}

export function changeLine(path: string, text: string): void {
  const now = draft.get();
  const lines = now.lines.map((line) => (line.path === path ? { path, text } : line));
  draft.set({ ...now, lines });
}

export function removeLine(path: string): void {
  const now = draft.get();
  draft.set({ ...now, lines: now.lines.filter((line) => line.path !== path) });
}

/** What is wrong with a line; null where nothing is. */
export function lineFault(line: DraftLine, leaf: Leaf | null): string | null {
  if (!leaf) return "the method has no such parameter";
  const found = typed(line.text, leaf);
  if ("fault" in found) return found.fault;
  return isSame(found.value, leaf.value) ? "this is the value in force" : null;
}

/** The changes that the draft asks for; null while a line does not fit. */
export function changesOf(now: Draft, parameters: readonly Parameter[]): ChangeTold[] | null {
  const leaves = leavesOf(parameters);
  const changes: ChangeTold[] = [];
  for (const line of now.lines) {
    const leaf = leafAt(leaves, line.path);
    if (!leaf || lineFault(line, leaf) !== null) return null;
    const found = typed(line.text, leaf);
    if ("fault" in found) return null;
    changes.push({ path: line.path, base: leaf.value, value: found.value });
  }
  return changes.length ? changes : null;
}

/** What is sent. nowUs: the engine's time, which need not be that of the wall. */
export function proposedOf(changes: readonly ChangeTold[], now: Draft, nowUs: number): Proposed {
  const minutes = Number(now.inMinutes);
  return {
    changes: changes.map(({ path, value }) => ({ path, value })) as Proposed["changes"],
    reason: now.reason.trim(),
    ...(now.inMinutes !== "" && { effective_us: nowUs + minutes * 60_000_000 }),
  };
}
