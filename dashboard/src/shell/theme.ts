/** Dark or light: the system's wish until the reader says otherwise. */

import { Cell } from "../data/emitter";

export type Theme = "system" | "dark" | "light";

const KEY = "steelyard.theme";

function read(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "dark" || kept === "light" ? kept : "system";
  } catch {
    return "system";
  }
}

export const theme = new Cell<Theme>(typeof window === "undefined" ? "system" : read());
/** Rises when colours change, so that what is painted by hand is painted again. */
export const paint = new Cell(0);

export function applyTheme(): void {
  const wished = theme.get();
  if (wished === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = wished;
  paint.set(paint.get() + 1);
}

export function isDark(): boolean {
  const wished = theme.get();
  if (wished !== "system") return wished === "dark";
  return !matchMedia("(prefers-color-scheme: light)").matches;
}

export function chooseTheme(wished: Theme): void {
  try {
    if (wished === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, wished);
  } catch {
    // It holds for this visit then.
  }
  theme.set(wished);
  applyTheme();
}

export function startTheme(): void {
  applyTheme();
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", applyTheme);
}

/** The value of a colour token, for canvases: colour("series-1"). */
export function colour(token: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${token}`).trim();
}
