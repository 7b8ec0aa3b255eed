/** Numbers as people read them: thousands separated, the true minus sign, a dash for what is not known. */

export const MINUS = "−";
export const NONE = "–";

type Maybe = number | null | undefined;

const cache = new Map<string, Intl.NumberFormat>();

function format(least: number, most: number): Intl.NumberFormat {
  const key = `${least}:${most}`;
  let found = cache.get(key);
  if (!found) {
    found = new Intl.NumberFormat("en-US", {
      minimumFractionDigits: least,
      maximumFractionDigits: most,
    });
    cache.set(key, found);
  }
  return found;
}

/** A number with so many decimals; a zero has no sign. */
export function fixed(value: Maybe, decimals = 0): string {
  if (value == null || !Number.isFinite(value)) return NONE;
  const text = format(decimals, decimals).format(value);
  if (!text.startsWith("-")) return text;
  return /[1-9]/.test(text) ? MINUS + text.slice(1) : text.slice(1);
}

export const count = (value: Maybe): string => fixed(value, 0);

/** With a sign always, as a change has one. */
export function signed(value: Maybe, decimals = 0): string {
  const text = fixed(value, decimals);
  return value != null && value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** Micro-USDC as USDC. */
export function money(micro: Maybe, decimals = 2): string {
  return fixed(micro == null ? micro : micro / 1e6, decimals);
}

const SCALES: readonly [number, string][] = [
  [1e12, " T"],
  [1e9, " B"],
  [1e6, " M"],
  [1e3, " k"],
];

/** Four significant digits with k, M, B or T: 12.35 M. */
export function compact(value: Maybe): string {
  if (value == null || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  for (const [scale, word] of SCALES) {
    if (size >= scale) {
      const scaled = value / scale;
      const decimals = Math.abs(scaled) >= 100 ? 1 : 2;
      return fixed(scaled, decimals) + word;
    }
  }
  return fixed(value, size >= 100 || size === 0 ? 0 : 2);
}

export const compactMoney = (micro: Maybe): string => compact(micro == null ? micro : micro / 1e6);

const DECIMALS_MAX = 8;

/** A number of an axis, with as many decimals as its ticks need: 4.98 M, 4.99 M, 5.00 M. */
export function axisText(tick: number, ticks: readonly number[], divisor = 1): string {
  const most = Math.max(...ticks.map(Math.abs)) / divisor;
  const [scale, word] = SCALES.find(([size]) => most >= size) ?? [1, ""];
  const step = Math.abs((ticks[1] ?? tick) - (ticks[0] ?? tick)) / divisor / scale;
  let decimals = 0;
  while (decimals < DECIMALS_MAX && !isWhole(step * 10 ** decimals)) decimals += 1;
  return fixed(tick / divisor / scale, decimals) + word;
}

const isWhole = (value: number) => Math.abs(value - Math.round(value)) < 1e-6;

/** A price with decimals that fit its size: 67,123.45, 2.4512, 0.003127. */
export function price(value: Maybe): string {
  if (value == null || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 1_000) return fixed(value, 2);
  if (size >= 10) return fixed(value, 3);
  if (size >= 1) return fixed(value, 4);
  return size === 0 ? "0" : fixed(value, 6);
}

/**
 * A margin ratio with decimals, rounded down: what is shown as 1.0000 is not liquidatable.
 *
 * Above 100 the decimals say nothing, and above 9,999 the number does not either.
 */
export function ratio(value: Maybe): string {
  if (value == null || Number.isNaN(value)) return NONE;
  if (value >= 10_000) return ">9,999";
  const decimals = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 2 : 4;
  const scale = 10 ** decimals;
  return fixed(Math.floor(value * scale) / scale, decimals);
}

/** A fraction as per cent. */
export function percent(fraction: Maybe, decimals = 2): string {
  return fraction == null || !Number.isFinite(fraction)
    ? NONE
    : `${fixed(fraction * 100, decimals)} %`;
}

/** Parts per thousand million as basis points. */
export const basisPoints = (ppb: Maybe): string =>
  ppb == null ? NONE : `${signed(ppb / 1e5, 2)} bp`;

/** A decimal that came as text, kept digit for digit, with separators. */
export function exact(text: string | null | undefined, decimals?: number): string {
  if (text == null) return NONE;
  const found = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (!found) return text;
  const [, sign, whole = "", fraction = ""] = found;
  const shown =
    decimals === undefined ? fraction : fraction.slice(0, decimals).padEnd(decimals, "0");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const isZero = !/[1-9]/.test(whole + shown);
  return (sign && !isZero ? MINUS : "") + grouped + (shown ? `.${shown}` : "");
}
