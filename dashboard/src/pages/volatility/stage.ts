/** What stands between the page and the drawing: a canvas, its view, and the labels around it. */

import { colour, isDark } from "../../shell/theme";
import { labelsOf, writeLabels } from "./labels";
import type { Known, Lattice } from "./lattice";
import { STOPS } from "./ramp";
import type { Paint, Spot, SurfaceScene } from "./scene";
import type { Smile } from "./smile";
import { FIRST, keyed, midway, nearer, turned, type View } from "./view";

const MOVE_MS = 160;
const NEAR_PX = 18;
const RADIANS_A_PIXEL = 0.0075;
const DENSITY_MAX = 2;

/** missing: the browser has no WebGL. lost: it took it back. failed: the drawing code did not come. */
export type StageState = "loading" | "drawn" | "missing" | "lost" | "failed";

export class Stage {
  private readonly canvas = document.createElement("canvas");
  private readonly still = matchMedia("(prefers-reduced-motion: reduce)");
  private scene: SurfaceScene | null = null;
  private shown: { lattice: Lattice; smiles: readonly Smile[] } | null = null;
  private view: View = FIRST;
  private goal: View = FIRST;
  private size = { width: 0, height: 0 };
  private frame = 0;
  private isClosed = false;
  /** Told after each drawing: what is pointed at has moved. */
  onDrawn: () => void = () => {};

  constructor(
    private readonly box: HTMLElement,
    private readonly layer: HTMLElement,
    private readonly tell: (state: StageState) => void,
  ) {}

  async open(): Promise<void> {
    const { canvas } = this;
    canvas.setAttribute("aria-hidden", "true");
    canvas.addEventListener("webglcontextlost", this.lost);
    // What was drawn is kept: the surface is drawn only when it changes, and may be printed or copied.
    const context = canvas.getContext("webgl2", {
      alpha: true,
      antialias: true,
      depth: true,
      preserveDrawingBuffer: true,
    });
    if (!context) {
      this.tell("missing");
      return;
    }
    this.box.prepend(canvas);
    this.box.addEventListener("wheel", this.wheel, { passive: false });
    try {
      const { SurfaceScene: Drawing } = await import("./scene");
      if (this.isClosed) context.getExtension("WEBGL_lose_context")?.loseContext();
      else this.scene = new Drawing(canvas, context, paintOf());
    } catch {
      if (!this.isClosed) this.tell("failed");
      return;
    }
    if (!this.isClosed) this.tell("drawn");
  }

  close(): void {
    this.isClosed = true;
    cancelAnimationFrame(this.frame);
    this.canvas.removeEventListener("webglcontextlost", this.lost);
    this.box.removeEventListener("wheel", this.wheel);
    this.scene?.dispose();
    this.scene = null;
    this.canvas.remove();
    this.layer.replaceChildren();
  }

  show(lattice: Lattice, smiles: readonly Smile[]): void {
    this.shown = { lattice, smiles };
    this.scene?.show(lattice);
    this.due();
  }

  repaint(): void {
    this.scene?.repaint(paintOf());
    this.due();
  }

  resize(width: number, height: number): void {
    if (width <= 0 || height <= 0 || !this.scene) return;
    this.size = { width, height };
    this.scene.resize(width, height, Math.min(DENSITY_MAX, devicePixelRatio));
    this.draw();
  }

  /** Take a key; returns whether it is one of its own. */
  press(key: string): boolean {
    const next = keyed(this.goal, key);
    if (next) this.move(next);
    return next !== null;
  }

  /** Turn by a way of the pointer. */
  drag(x: number, y: number): void {
    this.goal = turned(this.goal, -x * RADIANS_A_PIXEL, y * RADIANS_A_PIXEL);
    this.view = this.goal;
    this.due();
  }

  /** The received volatility that is nearest to a place on the canvas, null where none is near. */
  nearest(at: Spot): Known | null {
    if (!this.scene || !this.shown) return null;
    let found: Known | null = null;
    let least = NEAR_PX;
    for (const known of this.shown.lattice.points) {
      const spot = this.scene.spotOf(known.place);
      const away = Math.hypot(spot.x - at.x, spot.y - at.y);
      if (away < least) {
        least = away;
        found = known;
      }
    }
    return found;
  }

  /** Where the volatility of an expiry and a strike stands now, null where there is none any more. */
  spotOf(expiryUs: number, strike: number): (Spot & { known: Known }) | null {
    const known = this.shown?.lattice.points.find(
      (each) => each.smile.expiryUs === expiryUs && each.point.strike === strike,
    );
    return known && this.scene ? { ...this.scene.spotOf(known.place), known } : null;
  }

  private move(next: View): void {
    const from = this.view;
    this.goal = next;
    if (this.still.matches) {
      this.view = next;
      this.due();
      return;
    }
    const begun = performance.now();
    cancelAnimationFrame(this.frame);
    const step = () => {
      const share = Math.min(1, Math.max(0, performance.now() - begun) / MOVE_MS);
      this.view = midway(from, next, share);
      this.frame = share < 1 ? requestAnimationFrame(step) : 0;
      this.draw();
    };
    this.frame = requestAnimationFrame(step);
  }

  /** Draw with the next frame, however often it is asked for before. */
  private due(): void {
    if (this.frame || !this.scene) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  private draw(): void {
    const { scene, shown, size } = this;
    if (!scene || !shown || size.width === 0) return;
    scene.draw(this.view);
    const { lattice, smiles } = shown;
    writeLabels(this.layer, labelsOf(scene, this.view, lattice.frame, smiles));
    this.onDrawn();
  }

  private readonly lost = (event: Event): void => {
    event.preventDefault();
    this.tell("lost");
  };

  /** The wheel scrolls the page, unless the surface has the focus. */
  private readonly wheel = (event: WheelEvent): void => {
    if (document.activeElement !== this.box) return;
    event.preventDefault();
    this.goal = nearer(this.goal, Math.exp(-event.deltaY / 600));
    this.view = this.goal;
    this.due();
  };
}

function paintOf(): Paint {
  return {
    line: colour("line"),
    strong: colour("accent"),
    text: colour("text"),
    stops: STOPS[isDark() ? "dark" : "light"],
  };
}
