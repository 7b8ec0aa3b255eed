/** Colours by volatility: from low to high, by hue and by lightness, for each theme. */

import type { Range } from "./frame";
import { shareOf } from "./frame";

export type Rgb = [red: number, green: number, blue: number];

/** Every stop stands at 3 to 1 or more on the panel of its theme. */
export const STOPS: Record<"dark" | "light", readonly string[]> = {
  dark: ["#5069d6", "#2f8fd8", "#24b3ac", "#86cf63", "#f6e35a"],
  light: ["#3a8bd4", "#0f8079", "#4a7418", "#8a4c00", "#7d1440"],
};

export function rgbOf(hex: string): Rgb {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255) as Rgb;
}

/** The colour of a volatility, channels from 0 to 1; beyond the range that of its end. */
export function colourAt(volatility: number, range: Range, stops: readonly string[]): Rgb {
  const place = Math.min(1, Math.max(0, shareOf(volatility, range))) * (stops.length - 1);
  const at = Math.min(stops.length - 2, Math.floor(place));
  const [a, b] = [rgbOf(stops[at] ?? "#000000"), rgbOf(stops[at + 1] ?? "#000000")];
  return a.map((value, i) => value + (place - at) * ((b[i] ?? 0) - value)) as Rgb;
}

export const cssOf = (rgb: Rgb): string =>
  `rgb(${rgb.map((each) => Math.round(each * 255)).join(" ")})`;

/** The ground of a cell: a little of the colour in that of the panel, on which text stays readable. */
export const tintOf = (rgb: Rgb): string => `color-mix(in srgb, ${cssOf(rgb)} 26%, var(--panel))`;
