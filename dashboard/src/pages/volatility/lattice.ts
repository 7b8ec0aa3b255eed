/**
 * The surface as points, lines and triangles in a box.
 *
 * Smiles are lines. Two neighbouring expiries are joined where both lines reach, knot by knot of either; what
 * only one of them knows, and what lies beyond an unknown strike, stays open.
 */

import { niceRange, type Range, shareOf, ticksOf, volatilityRange } from "./frame";
import { type Point, type Smile, volatilityAt } from "./smile";

export type Across = "moneyness" | "strike";

/** Half the width and depth of the box, and its height. */
export const HALF_WIDTH = 1.35;
export const HALF_DEPTH = 1;
export const HEIGHT = 1.05;

export type Place = readonly [x: number, y: number, z: number];

export interface Corner {
  place: Place;
  volatility: number;
}

export interface Known extends Corner {
  smile: Smile;
  point: Point;
}

export interface Frame {
  across: Across;
  x: Range;
  years: number;
  volatility: Range;
  xTicks: number[];
  volatilityTicks: number[];
}

export interface Lattice {
  frame: Frame;
  /** Three corners each. */
  triangles: Corner[];
  /** Two ends each. */
  lines: Corner[];
  /** Where the forward is, joined from expiry to expiry: two ends each. */
  forward: Corner[];
  /** The received volatilities. */
  points: Known[];
}

export function latticeOf(smiles: readonly Smile[], across: Across): Lattice {
  const frame = frameOf(smiles, across);
  const triangles: Corner[] = [];
  const forward: Corner[] = [];
  for (const [at, far] of smiles.entries()) {
    const near = smiles[at - 1];
    if (!near) continue;
    triangles.push(...strip(near, far, frame));
    const ends = [near, far].map((smile) => atForward(smile, frame));
    if (ends[0] && ends[1]) forward.push(ends[0], ends[1]);
  }
  const lines = smiles.flatMap((smile) =>
    smile.pieces.flatMap((piece) =>
      piece.slice(1).flatMap((right, at) => {
        const left = piece[at] as Point;
        return [corner(smile, left, frame), corner(smile, right, frame)];
      }),
    ),
  );
  const points = smiles.flatMap((smile) =>
    smile.received.map((point) => ({ ...corner(smile, point, frame), smile, point })),
  );
  return { frame, triangles, lines, forward, points };
}

export function frameOf(smiles: readonly Smile[], across: Across): Frame {
  const all = smiles.flatMap((smile) => [...smile.received, ...smile.pieces.flat()]);
  const x = niceRange(
    all.map((point) => (across === "strike" ? point.strike : point.moneyness)),
    6,
  );
  const volatility = volatilityRange(smiles);
  return {
    across,
    x,
    years: Math.max(...smiles.map((smile) => smile.years), 1 / 365),
    volatility,
    xTicks: ticksOf(x, 6),
    volatilityTicks: ticksOf(volatility, 6),
  };
}

/** Depth goes with the square root of time: the near expiries, which differ most, keep apart. */
export function depthOf(years: number, frame: Frame): number {
  return HALF_DEPTH - 2 * HALF_DEPTH * Math.sqrt(years / frame.years);
}

export const widthOf = (x: number, frame: Frame): number =>
  (2 * shareOf(x, frame.x) - 1) * HALF_WIDTH;

export const heightOf = (volatility: number, frame: Frame): number =>
  shareOf(volatility, frame.volatility) * HEIGHT;

function corner(smile: Smile, { strike, moneyness, volatility }: Point, frame: Frame): Corner {
  const x = frame.across === "strike" ? strike : moneyness;
  const place: Place = [
    widthOf(x, frame),
    heightOf(volatility, frame),
    depthOf(smile.years, frame),
  ];
  return { place, volatility };
}

function pointAt(smile: Smile, x: number, frame: Frame): Corner | null {
  const moneyness = frame.across === "strike" ? Math.log(x / smile.forward) : x;
  const volatility = volatilityAt(smile.pieces, moneyness);
  if (volatility === null) return null;
  const strike = frame.across === "strike" ? x : smile.forward * Math.exp(x);
  return corner(smile, { strike, moneyness, volatility }, frame);
}

function atForward(smile: Smile, frame: Frame): Corner | null {
  const volatility = volatilityAt(smile.pieces, 0);
  if (volatility === null) return null;
  return corner(smile, { strike: smile.forward, moneyness: 0, volatility }, frame);
}

function strip(near: Smile, far: Smile, frame: Frame): Corner[] {
  const triangles: Corner[] = [];
  for (const a of near.pieces) {
    for (const b of far.pieces) {
      const knots = knotsOf(a, b, frame.across);
      for (const [at, right] of knots.entries()) {
        const left = knots[at - 1];
        if (left === undefined) continue;
        const corners = [
          pointAt(near, left, frame),
          pointAt(near, right, frame),
          pointAt(far, right, frame),
          pointAt(far, left, frame),
        ];
        const [p, q, r, s] = corners;
        if (p && q && r && s) triangles.push(p, q, r, p, r, s);
      }
    }
  }
  return triangles;
}

/** Where either line has a point, within what both reach, ends included. */
export function knotsOf(a: readonly Point[], b: readonly Point[], across: Across): number[] {
  const [left, right] = [a, b].map((piece) =>
    piece.map((point) => (across === "strike" ? point.strike : point.moneyness)),
  ) as [number[], number[]];
  const low = Math.max(left[0] ?? 0, right[0] ?? 0);
  const high = Math.min(left.at(-1) ?? 0, right.at(-1) ?? 0);
  if (!(low < high)) return [];
  const knots = [...left, ...right].filter((x) => low <= x && x <= high).sort((x, y) => x - y);
  return knots.filter((x, at) => x !== knots[at - 1]);
}
