/** Exact amounts: decimals that came as text, and whole micro-USDC; sums of them lose nothing. */

import { exact, MINUS, money, NONE } from "../../format/numbers";

/** A decimal as a whole number of 10^-scale; digits beyond the scale are refused, not rounded. */
export function unitsOf(text: string, scale: number): bigint {
  const found = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text.trim());
  if (!found) throw new RangeError(`${text} is no decimal`);
  const [, sign, whole = "", fraction = ""] = found;
  if (/[1-9]/.test(fraction.slice(scale)))
    throw new RangeError(`${text} has more than ${scale} digits`);
  const units = BigInt(whole + fraction.slice(0, scale).padEnd(scale, "0"));
  return sign ? -units : units;
}

/** Whole micro-USDC as an exact decimal. */
export function fromMicro(micro: number): string {
  const digits = String(Math.abs(micro)).padStart(7, "0");
  return `${micro < 0 ? "-" : ""}${digits.slice(0, -6)}.${digits.slice(-6)}`;
}

/** The scale that holds each of these decimals exactly. */
export function scaleOf(texts: readonly string[]): number {
  let scale = 0;
  for (const text of texts) scale = Math.max(scale, text.split(".")[1]?.length ?? 0);
  return scale;
}

/** Whether decimals sum exactly to another one. */
export function sumsTo(parts: readonly string[], total: string): boolean {
  try {
    const scale = scaleOf([...parts, total]);
    const sum = parts.reduce((before, each) => before + unitsOf(each, scale), 0n);
    return sum === unitsOf(total, scale);
  } catch {
    return false;
  }
}

/** The number that a decimal of the wire is nearest to, NaN for none. */
export const toNumber = (text: string | number | null | undefined): number =>
  text == null || text === "" ? Number.NaN : Number(text);

/** An exact decimal in two pieces: what is read, and the digits after the cents. */
export function inPieces(text: string): { head: string; tail: string } {
  const shown = exact(text);
  const point = shown.indexOf(".");
  if (point < 0) return { head: /\d$/.test(shown) ? `${shown}.00` : shown, tail: "" };
  const fraction = shown.slice(point + 1);
  const head = `${shown.slice(0, point)}.${fraction.slice(0, 2).padEnd(2, "0")}`;
  return { head, tail: fraction.slice(2).replace(/0+$/, "") };
}

/** A difference of micro-USDC with its sign: +12.50, −3.00, 0.00. */
export function change(micro: number | null | undefined): string {
  if (micro == null || !Number.isFinite(micro)) return NONE;
  const text = money(micro);
  return micro > 0 && !text.startsWith(MINUS) && /[1-9]/.test(text) ? `+${text}` : text;
}

/** The underlying of an instrument's name: BTC of BTC_USDC-27JUN25-100000-C. */
export const underlyingOf = (instrument: string): string =>
  (instrument.split("-")[0] ?? "").split("_")[0] ?? "";
