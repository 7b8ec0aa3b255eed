/** The delta of Black-76: what of the forward an option is worth holding, by its own volatility. */

const ROOT_OF_TWO_PI = Math.sqrt(2 * Math.PI);
const TAIL = 4;
const TERMS_MAX = 200;

/** The standard normal distribution: a series near its middle, a continued fraction in its tails. */
export function normalShare(x: number): number {
  if (Number.isNaN(x)) return Number.NaN;
  const size = Math.abs(x);
  const density = Math.exp((-size * size) / 2) / ROOT_OF_TWO_PI;
  const beyond = size < TAIL ? 0.5 - density * series(size) : density * tailRatio(size);
  return x < 0 ? beyond : 1 - beyond;
}

/** x + x³/3 + x⁵/15 + x⁷/105 + …: the share between 0 and x, over the density at x. */
function series(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < TERMS_MAX && term > sum * 1e-17; n += 1) {
    term *= (x * x) / (2 * n + 1);
    sum += term;
  }
  return sum;
}

/** 1 / (x + 1/(x + 2/(x + 3/(x + …)))): the share beyond x, over the density at x. */
function tailRatio(x: number): number {
  if (x > 40) return 0;
  let below = x;
  for (let n = 80; n >= 1; n -= 1) below = x + n / below;
  return 1 / below;
}

/**
 * The delta of a call to its forward, undiscounted: N(ln(F/K)/s + s/2), s = volatility · √years.
 *
 * That of the put is this less 1. null where a price or a volatility is none, or the option has expired.
 */
export function callDelta(
  forward: number,
  strike: number,
  volatility: number,
  years: number,
): number | null {
  const deviation = volatility * Math.sqrt(years);
  if (!(forward > 0) || !(strike > 0) || !(deviation > 0)) return null;
  return normalShare(Math.log(forward / strike) / deviation + deviation / 2);
}
