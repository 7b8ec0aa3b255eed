/** Times are UTC and say so. */

import { fixed, NONE } from "./numbers";

const two = (n: number) => String(n).padStart(2, "0");

/** 14:03:27 of an instant in microseconds. */
export function clock(timeUs: number | null | undefined): string {
  if (!timeUs) return NONE;
  const at = new Date(timeUs / 1_000);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
}

/** 2026-11-21. */
export function day(timeUs: number | null | undefined): string {
  if (!timeUs) return NONE;
  return new Date(timeUs / 1_000).toISOString().slice(0, 10);
}

/** 2026-11-21 14:03:27 UTC. */
export function instant(timeUs: number | null | undefined): string {
  return timeUs ? `${day(timeUs)} ${clock(timeUs)} UTC` : NONE;
}

/** How old: 850 ms, 12.3 s, 4 min 05 s, 3 h 20 min, 12 d. */
export function age(us: number | null | undefined): string {
  if (us == null || !Number.isFinite(us)) return NONE;
  const ms = Math.max(0, us) / 1_000;
  if (ms < 999.5) return `${fixed(ms)} ms`;
  const s = ms / 1_000;
  if (s < 59.95) return `${fixed(s, 1)} s`;
  const whole = Math.floor(s + 0.05);
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (s < 172_800) return `${Math.floor(s / 3_600)} h ${two(Math.floor((s % 3_600) / 60))} min`;
  return `${Math.floor(s / 86_400)} d`;
}
