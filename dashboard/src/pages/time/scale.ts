/** Where events stand in time, and how keys, marks and typed text lead to one. */

import type { HistoryData, JournalMark, JournalSpan } from "../../wire";

/** Events whose instant is known, ascending; between two of them time is taken to pass evenly. */
export interface Scale {
  seqs: readonly number[];
  times: readonly number[];
}

export function scaleOf(span: JournalSpan, past: HistoryData | null): Scale {
  const known = new Map<number, number>();
  const add = (seq: number, timeUs: number) => {
    if (seq >= span.first_seq && seq <= span.last_seq && timeUs > 0) known.set(seq, timeUs);
  };
  past?.seq.forEach((seq, row) => {
    add(seq, past.time_us[row] ?? 0);
  });
  for (const mark of span.marks) add(mark.seq, mark.time_us);
  add(span.first_seq, span.first_us);
  add(span.last_seq, span.last_us);
  const seqs = [...known.keys()].sort((a, b) => a - b);
  return { seqs, times: seqs.map((seq) => known.get(seq) as number) };
}

/** The instant of an event, about. */
export function timeOf(scale: Scale, seq: number): number {
  return between(scale.seqs, scale.times, seq);
}

/** The event at an instant, about. */
export function seqNear(scale: Scale, timeUs: number): number {
  return Math.round(between(scale.times, scale.seqs, timeUs));
}

/** Where an event stands between the first (0) and the last (1), by its instant. */
export function placeOf(scale: Scale, seq: number): number {
  const first = scale.times[0] ?? 0;
  const last = scale.times.at(-1) ?? 0;
  if (last <= first) return seq >= (scale.seqs.at(-1) ?? 0) ? 1 : 0;
  return clamp((timeOf(scale, seq) - first) / (last - first), 0, 1);
}

/** The event at a place from 0 to 1. */
export function seqAtPlace(scale: Scale, place: number): number {
  const first = scale.times[0] ?? 0;
  const last = scale.times.at(-1) ?? 0;
  return seqNear(scale, first + clamp(place, 0, 1) * (last - first));
}

export const clamp = (value: number, least: number, most: number): number =>
  Math.min(most, Math.max(least, value));

const PAGE_EVENTS = 100;

/** Where a key of a slider leads, null where it means nothing. */
export function stepped(key: string, seq: number, span: JournalSpan): number | null {
  const steps: Record<string, number> = {
    ArrowLeft: -1,
    ArrowDown: -1,
    ArrowRight: 1,
    ArrowUp: 1,
    PageDown: -PAGE_EVENTS,
    PageUp: PAGE_EVENTS,
    Home: Number.NEGATIVE_INFINITY,
    End: Number.POSITIVE_INFINITY,
  };
  const step = steps[key];
  return step === undefined ? null : clamp(seq + step, span.first_seq, span.last_seq);
}

/** The nearest mark behind an event (direction 1) or before it (−1). */
export function markBeside(
  marks: readonly JournalMark[],
  seq: number,
  direction: 1 | -1,
): JournalMark | null {
  const beside = marks.filter((mark) => (direction === 1 ? mark.seq > seq : mark.seq < seq));
  return (direction === 1 ? beside[0] : beside.at(-1)) ?? null;
}

export type Wish = { seq: number } | { timeUs: number };

/** What was typed: an event by its number, or an instant of UTC; a time alone is of the last event's day. */
export function wishOf(text: string, lastUs: number): Wish | null {
  const bare = text
    .trim()
    .replace(/^event\s+/i, "")
    .replace(/\s*(UTC|Z)$/i, "");
  if (/^\d{1,3}(,\d{3})+$|^\d{1,15}$/.test(bare)) return { seq: Number(bare.replaceAll(",", "")) };
  const found = /^(?:(\d{4}-\d\d-\d\d)[T ])?(\d{1,2}):(\d\d)(?::(\d\d)(\.\d{1,6})?)?$/.exec(bare);
  if (!found) return null;
  const [, date, hours = "", minutes = "", seconds = "00", fraction = ""] = found;
  const day = date ?? new Date(lastUs / 1_000).toISOString().slice(0, 10);
  const ms = Date.parse(`${day}T${hours.padStart(2, "0")}:${minutes}:${seconds}Z`);
  if (Number.isNaN(ms)) return null;
  return { timeUs: ms * 1_000 + Math.round(Number(`0${fraction}`) * 1e6) };
}

/** Straight between known points; the first or last of them beyond. */
function between(from: readonly number[], to: readonly number[], at: number): number {
  let low = 0;
  let high = from.length - 1;
  if (high < 0) return 0;
  if (at <= (from[0] as number)) return to[0] as number;
  if (at >= (from[high] as number)) return to[high] as number;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((from[middle] as number) <= at) low = middle;
    else high = middle;
  }
  const [a, b] = [from[low] as number, from[high] as number];
  const [c, d] = [to[low] as number, to[high] as number];
  return b > a ? c + ((at - a) / (b - a)) * (d - c) : c;
}
