/** Axes: round ticks, and ranges that stay while the numbers move within them. */

import { fixed, NONE, percent, price, signed } from "../../format/numbers";
import { day } from "../../format/times";
import type { AxisKind, Smile } from "./smile";

export type Range = readonly [low: number, high: number];

/** A step of 1, 2, 2.5 or 5 times a power of ten that cuts a span into at most so many. */
export function niceStep(span: number, most: number): number {
  const least = span / most;
  const power = 10 ** Math.floor(Math.log10(least));
  const found = [1, 2, 2.5, 5, 10].find((each) => each * power >= least * (1 - 1e-9));
  return (found ?? 10) * power;
}

/** The range out to the next ticks, with room for a flat line. */
export function niceRange(values: readonly number[], most = 5): Range {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  const room = low === high ? Math.abs(low) / 10 || 1 : 0;
  const step = niceStep(high - low + 2 * room, most);
  return [Math.floor((low - room) / step) * step, Math.ceil((high + room) / step) * step];
}

/** The multiples of a round step within a range. */
export function ticksOf([low, high]: Range, most = 5): number[] {
  const step = niceStep(high - low, most);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, n) =>
    Number(((first + n) * step).toPrecision(12)),
  );
}

export const shareOf = (value: number, [low, high]: Range): number => (value - low) / (high - low);

/** How many decimals tell ticks apart. */
export function decimalsOf(ticks: readonly number[], scale = 1): number {
  const step = Math.abs(
    (ticks[1] ?? ticks[0] ?? 1) - (ticks[1] === undefined ? 0 : (ticks[0] ?? 0)),
  );
  let decimals = 0;
  const isWhole = (value: number) => Math.abs(value - Math.round(value)) < 1e-6;
  while (decimals < 6 && !isWhole(step * scale * 10 ** decimals)) decimals += 1;
  return decimals;
}

/** What a tick of an axis says, beside the others. */
export function tickText(kind: AxisKind, tick: number, ticks: readonly number[]): string {
  if (kind === "strike") return strikeText(tick);
  const decimals = tick === 0 ? 0 : decimalsOf(ticks);
  return kind === "delta" ? fixed(tick, decimals) : signed(tick, decimals);
}

/** What a tick of an axis of volatilities says. */
export const percentText = (tick: number, ticks: readonly number[]): string =>
  percent(tick, decimalsOf(ticks, 100));

/** A strike without decimals that say nothing: 121,000, 2.5. */
export function strikeText(strike: number): string {
  return price(strike)
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "");
}

export const AXES: readonly { kind: AxisKind; name: string; unit: string }[] = [
  { kind: "moneyness", name: "Log-moneyness", unit: "ln(strike / forward)" },
  { kind: "strike", name: "Strike", unit: "USD" },
  { kind: "delta", name: "Delta", unit: "of the call" },
];

/** 11 h, 6.2 d, 75 d: how long until an expiry. */
export function untilText(years: number): string {
  const days = years * 365;
  if (days < 2) return `${Math.floor(days * 24)} h`;
  return days < 10 ? `${days.toFixed(1)} d` : `${Math.floor(days)} d`;
}

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";

/** 28 Nov 2025. */
export function expiryText(expiryUs: number): string {
  const at = day(expiryUs);
  if (at === NONE) return at;
  const [year = "", month = "1", date = "1"] = at.split("-");
  const start = (Number(month) - 1) * 3;
  return `${Number(date)} ${MONTHS.slice(start, start + 3)} ${year}`;
}

export const volatilityText = (volatility: number | null): string => percent(volatility, 1);

/** The volatilities of smiles out to round per cents: what colours and heights are measured by. */
export function volatilityRange(smiles: readonly Smile[]): Range {
  const all = smiles.flatMap((smile) =>
    [...smile.received, ...smile.pieces.flat()].map((point) => point.volatility),
  );
  const [low, high] = niceRange(all, 6);
  return all.length ? [Math.max(0, low), high] : [0, 1];
}
