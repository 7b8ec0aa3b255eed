/** How long to wait before connecting again. */

const FIRST_MS = 500;
const LONGEST_MS = 15_000;

/**
 * Milliseconds before the attempt of this number, from 0.
 *
 * The wait doubles up to fifteen seconds; half of it is drawn by chance, so that pages which lost the
 * same service do not come back in one moment. random: 0 to 1.
 */
export function backoffMs(attempt: number, random: number): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return Math.round(whole / 2 + (whole / 2) * random);
}
