/** The words around the surface, as elements above the canvas: they stay sharp, and are no part of what WebGL draws. */

import { expiryText, percentText, tickText, untilText } from "./frame";
import {
  depthOf,
  type Frame,
  HALF_DEPTH,
  HALF_WIDTH,
  HEIGHT,
  heightOf,
  type Place,
  widthOf,
} from "./lattice";
import type { SurfaceScene } from "./scene";
import type { Smile } from "./smile";
import type { View } from "./view";

const APART = 15;

export interface Label {
  text: string;
  x: number;
  y: number;
  kind: "tick" | "name";
}

/** The labels of the axes, on the edges of the box that are nearest. */
export function labelsOf(
  scene: SurfaceScene,
  view: View,
  frame: Frame,
  smiles: readonly Smile[],
): Label[] {
  const front = Math.cos(view.azimuth) >= 0 ? HALF_DEPTH : -HALF_DEPTH;
  const side = Math.sin(view.azimuth) >= 0 ? HALF_WIDTH : -HALF_WIDTH;
  const at = (kind: Label["kind"], text: string, place: Place): Label => ({
    kind,
    text,
    ...scene.spotOf(place),
  });
  const [z, x] = [front * 1.1, side * 1.07];
  const across = frame.xTicks.map((tick) =>
    at("tick", tickText(frame.across, tick, frame.xTicks), [widthOf(tick, frame), -0.02, z]),
  );
  const until = smiles.map((smile) =>
    at("tick", untilText(smile.years), [x, -0.02, depthOf(smile.years, frame)]),
  );
  // The upright edge that is farthest to the left on the canvas.
  const corners: Place[] = [
    [-HALF_WIDTH, 0, front],
    [HALF_WIDTH, 0, front],
    [-HALF_WIDTH, 0, -front],
    [HALF_WIDTH, 0, -front],
  ];
  const left = corners.reduce((a, b) => (scene.spotOf(b).x < scene.spotOf(a).x ? b : a));
  const up = frame.volatilityTicks.map((tick) => {
    const label = at("tick", percentText(tick, frame.volatilityTicks), [
      left[0],
      heightOf(tick, frame),
      left[2],
    ]);
    return { ...label, x: label.x - 24 };
  });
  const names = [
    at("name", frame.across === "strike" ? "strike, USD" : "ln(strike / forward)", [
      0,
      -0.05,
      front * 1.45,
    ]),
    at("name", "time to expiry", [side * 1.33, -0.05, 0]),
    at("name", "volatility a year", [left[0], HEIGHT * 1.17, left[2]]),
  ];
  return spaced([...names, ...across, ...until, ...up]);
}

/** Half of how wide a label is, in pixels, nearly. */
const halfOf = ({ text, kind }: Label): number => (kind === "name" ? 3.5 : 3.1) * text.length;

/** Those that do not run into one before. */
export function spaced(labels: readonly Label[]): Label[] {
  const kept: Label[] = [];
  for (const label of labels) {
    const isFree = kept.every((other) => {
      const wide = halfOf(label) + halfOf(other);
      return Math.abs(other.x - label.x) > wide || Math.abs(other.y - label.y) > APART;
    });
    if (isFree) kept.push(label);
  }
  return kept;
}

/** Write labels into a layer: the elements stay, their text and place change. */
export function writeLabels(layer: HTMLElement, labels: readonly Label[]): void {
  const wide = layer.clientWidth;
  while (layer.children.length < labels.length) layer.append(document.createElement("span"));
  for (const [n, child] of [...layer.children].entries()) {
    const element = child as HTMLElement;
    const label = labels[n];
    element.hidden = !label;
    if (!label) continue;
    if (element.textContent !== label.text) element.textContent = label.text;
    element.className = `surface-${label.kind}`;
    const half = halfOf(label);
    const x = Math.max(half, Math.min(wide - half, label.x));
    element.style.transform = `translate(${x.toFixed(1)}px, ${label.y.toFixed(1)}px) translate(-50%, -50%)`;
  }
}

/** What is said of a point that is pointed at. */
export const pointWords = (smile: Smile): string =>
  `${expiryText(smile.expiryUs)}, in ${untilText(smile.years)}`;
