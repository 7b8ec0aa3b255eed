/** Keys that work everywhere: g and a letter goes to a page, / searches, ? helps. */

import { navigate } from "./router";

export interface Place {
  letter: string;
  path: string;
  name: string;
}

export const PLACES: readonly Place[] = [
  { letter: "o", path: "/", name: "Overview" },
  { letter: "a", path: "/accounts", name: "Accounts" },
  { letter: "v", path: "/volatility", name: "Volatility" },
  { letter: "h", path: "/health", name: "Market health" },
  { letter: "l", path: "/liquidations", name: "Liquidation map" },
  { letter: "p", path: "/parameters", name: "Parameters" },
  { letter: "t", path: "/time", name: "Time travel" },
  { letter: "y", path: "/transparency", name: "Transparency" },
];

const SECOND_KEY_MS = 1_200;

/** Whether the key is meant for a field, not for the page. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName))
  );
}

/** Where a letter after g leads, null where nowhere. */
export const pathOf = (letter: string): string | null =>
  PLACES.find((place) => place.letter === letter)?.path ?? null;

/** Listen until the returned function is called. */
export function listenToKeys(showHelp: () => void): () => void {
  let goneAt = Number.NEGATIVE_INFINITY;
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.timeStamp - goneAt < SECOND_KEY_MS) {
      goneAt = Number.NEGATIVE_INFINITY;
      const path = pathOf(event.key);
      if (path !== null) {
        event.preventDefault();
        navigate(path);
      }
      return;
    }
    if (event.key === "g") goneAt = event.timeStamp;
    else if (event.key === "?") showHelp();
    else if (event.key === "/") focusSearch(event);
  };
  window.addEventListener("keydown", onKey);
  return () => window.removeEventListener("keydown", onKey);
}

/** The search of the page that is shown; on a page without one, that of the accounts. */
function focusSearch(event: KeyboardEvent): void {
  event.preventDefault();
  const field = document.querySelector<HTMLInputElement>("[data-search]");
  if (field) {
    field.focus();
    field.select();
    return;
  }
  navigate("/accounts");
  let tries = 0;
  const wait = () => {
    const found = document.querySelector<HTMLInputElement>("[data-search]");
    if (found) found.focus();
    else if (++tries < 60) requestAnimationFrame(wait);
  };
  wait();
}
