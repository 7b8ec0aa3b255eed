/** Where the surface is looked at from; and what keys make of it. */

export interface View {
  /** Radians around the vertical, 0 from the side of the near expiries. */
  azimuth: number;
  /** Radians above the floor. */
  elevation: number;
  distance: number;
}

export const FIRST: View = { azimuth: 0.62, elevation: 0.42, distance: 4.6 };
const TURN = Math.PI / 18;
const LOW = 0.02;
const HIGH = 1.5;
const NEAR = 2.2;
const FAR = 9;
const ZOOM = 1.12;

/** What a key makes of a view, null where it is none of its keys. */
export function keyed(view: View, key: string): View | null {
  switch (key) {
    case "ArrowLeft":
      return turned(view, TURN, 0);
    case "ArrowRight":
      return turned(view, -TURN, 0);
    case "ArrowUp":
      return turned(view, 0, TURN);
    case "ArrowDown":
      return turned(view, 0, -TURN);
    case "+":
    case "=":
      return nearer(view, ZOOM);
    case "-":
    case "_":
      return nearer(view, 1 / ZOOM);
    case "0":
    case "Home":
      return FIRST;
    default:
      return null;
  }
}

export function turned(view: View, azimuth: number, elevation: number): View {
  return {
    ...view,
    azimuth: view.azimuth + azimuth,
    elevation: Math.min(HIGH, Math.max(LOW, view.elevation + elevation)),
  };
}

export function nearer(view: View, factor: number): View {
  return { ...view, distance: Math.min(FAR, Math.max(NEAR, view.distance / factor)) };
}

/** A view between two, for moving from one to the other; share from 0 to 1. */
export function midway(from: View, to: View, share: number): View {
  const eased = 1 - (1 - share) ** 3;
  return {
    azimuth: from.azimuth + eased * (to.azimuth - from.azimuth),
    elevation: from.elevation + eased * (to.elevation - from.elevation),
    distance: from.distance + eased * (to.distance - from.distance),
  };
}

/** The place of the eye around a middle at a height. */
export function eyeOf(view: View, middle: number): [number, number, number] {
  const flat = Math.cos(view.elevation) * view.distance;
  return [
    Math.sin(view.azimuth) * flat,
    middle + Math.sin(view.elevation) * view.distance,
    Math.cos(view.azimuth) * flat,
  ];
}
