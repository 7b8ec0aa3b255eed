import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { STATE_NAMES } from "../src/wire";

const CSS = readFileSync(new URL("../src/styles/tokens.css", import.meta.url), "utf8");

/** The colours of a block of tokens, by name. */
function tokensOf(selector: RegExp): Map<string, string> {
  const block = selector.exec(CSS)?.[1] ?? "";
  return new Map(
    [...block.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})/g)].map(
      (m) => [m[1], m[2]] as [string, string],
    ),
  );
}

const DARK = tokensOf(/:root,\s*:root\[data-theme="dark"\] \{([^}]*)\}/);
const LIGHT = tokensOf(/\n:root\[data-theme="light"\] \{([^}]*)\}/);
const BY_SYSTEM = tokensOf(/:root:not\(\[data-theme\]\) \{([^}]*)\}/);

/** Relative luminance of WCAG 2.2. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

const GROUNDS = ["ground", "panel", "raised"];
const TEXTS = [
  "text",
  "muted",
  "accent",
  "good",
  "doubt",
  "bad",
  ...STATE_NAMES.map((s) => `state-${s}`),
];
const MARKS = ["line-strong", "accent", ...[1, 2, 3, 4, 5, 6].map((n) => `series-${n}`)];

describe("PAGE-041", () => {
  test("the formula is that of WCAG", () => {
    expect(contrast("#000000", "#ffffff")).toBe(21);
    expect(contrast("#767676", "#ffffff")).toBeCloseTo(4.54, 2);
  });

  for (const [name, tokens] of [
    ["dark", DARK],
    ["light", LIGHT],
  ] as const) {
    const of = (token: string) => {
      const found = tokens.get(token);
      if (!found) throw new Error(`${name} has no --${token}`);
      return found;
    };

    test(`${name}: text stands at 4.5 to 1 or more on every ground`, () => {
      for (const ground of GROUNDS) {
        for (const text of TEXTS) {
          const found = contrast(of(text), of(ground));
          expect(found, `${text} on ${ground}: ${found.toFixed(2)}`).toBeGreaterThanOrEqual(4.5);
        }
      }
      expect(contrast(of("on-accent"), of("accent"))).toBeGreaterThanOrEqual(4.5);
    });

    test(`${name}: marks, frames of fields and the focus stand at 3 to 1 or more`, () => {
      for (const ground of GROUNDS) {
        for (const mark of MARKS) {
          const found = contrast(of(mark), of(ground));
          expect(found, `${mark} on ${ground}: ${found.toFixed(2)}`).toBeGreaterThanOrEqual(3);
        }
      }
    });
  }

  test("light by the system's wish is light by choice", () => {
    expect(LIGHT.size).toBeGreaterThan(20);
    expect([...BY_SYSTEM]).toEqual([...LIGHT]);
    expect([...DARK.keys()]).toEqual([...LIGHT.keys()]);
  });
});
