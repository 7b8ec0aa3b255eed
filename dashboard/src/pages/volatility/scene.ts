/** The surface drawn with WebGL. It draws when told to, and gives back all it holds when disposed of. */

import {
  BufferAttribute,
  BufferGeometry,
  CanvasTexture,
  Color,
  DoubleSide,
  LineBasicMaterial,
  LineSegments,
  type Material,
  Mesh,
  MeshBasicMaterial,
  PerspectiveCamera,
  Points,
  PointsMaterial,
  Scene,
  SRGBColorSpace,
  Vector3,
  WebGLRenderer,
} from "three";
import type { Range } from "./frame";
import {
  type Corner,
  depthOf,
  HALF_DEPTH,
  HALF_WIDTH,
  HEIGHT,
  heightOf,
  type Lattice,
  type Place,
  widthOf,
} from "./lattice";
import { colourAt } from "./ramp";
import { eyeOf, type View } from "./view";

/** Colours of the theme. */
export interface Paint {
  line: string;
  strong: string;
  text: string;
  stops: readonly string[];
}

/** Where something stands on the canvas, in pixels of the page. */
export interface Spot {
  x: number;
  y: number;
}

const MIDDLE = HEIGHT * 0.22;
const ROOM = 64;
const FIELD = 34; // degrees, from the top to the bottom of a canvas that is wide enough
const WIDE = 1.6;

/** Corners that are written anew in place; the buffers grow where they have to, and never shrink. */
class Corners {
  readonly geometry = new BufferGeometry();
  private held = 0;

  constructor() {
    this.reserve(ROOM);
  }

  write(corners: readonly Corner[], range: Range, stops: readonly string[]): void {
    if (corners.length > this.held) this.reserve(2 * corners.length);
    const place = this.geometry.getAttribute("position") as BufferAttribute;
    const colour = this.geometry.getAttribute("color") as BufferAttribute;
    const made = new Color();
    for (const [at, corner] of corners.entries()) {
      place.setXYZ(at, ...corner.place);
      made.setRGB(...colourAt(corner.volatility, range, stops), SRGBColorSpace);
      colour.setXYZ(at, made.r, made.g, made.b);
    }
    place.needsUpdate = true;
    colour.needsUpdate = true;
    this.geometry.setDrawRange(0, corners.length);
  }

  private reserve(count: number): void {
    this.geometry.dispose(); // the buffers of before; new ones are made when drawn
    this.held = count;
    for (const name of ["position", "color"]) {
      this.geometry.setAttribute(name, new BufferAttribute(new Float32Array(3 * count), 3));
    }
  }
}

export class SurfaceScene {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(FIELD, 1, 0.1, 40);
  private readonly parts = {
    mesh: new Corners(),
    lines: new Corners(),
    forward: new Corners(),
    points: new Corners(),
    box: new Corners(),
  };
  private readonly materials: Record<string, Material & { color: Color }>;
  private readonly dot: CanvasTexture;
  private paint: Paint;
  private lattice: Lattice | null = null;
  private size = { width: 1, height: 1 };
  private view: View | null = null;

  constructor(canvas: HTMLCanvasElement, context: WebGL2RenderingContext, paint: Paint) {
    this.paint = paint;
    this.renderer = new WebGLRenderer({ canvas, context, alpha: true });
    this.renderer.setClearAlpha(0);
    this.dot = new CanvasTexture(disc());
    const mesh = new MeshBasicMaterial({
      vertexColors: true,
      side: DoubleSide,
      transparent: true,
      opacity: 0.86,
      polygonOffset: true,
      polygonOffsetFactor: 1,
      polygonOffsetUnits: 1,
    });
    const line = new LineBasicMaterial();
    const forward = new LineBasicMaterial();
    const box = new LineBasicMaterial();
    const points = new PointsMaterial({
      size: 6,
      sizeAttenuation: false,
      map: this.dot,
      alphaTest: 0.5,
    });
    this.materials = { mesh, line, forward, box, points };
    const objects = [
      new LineSegments(this.parts.box.geometry, box),
      new Mesh(this.parts.mesh.geometry, mesh),
      new LineSegments(this.parts.lines.geometry, line),
      new LineSegments(this.parts.forward.geometry, forward),
      new Points(this.parts.points.geometry, points),
    ];
    for (const each of objects) {
      each.frustumCulled = false; // the corners change, the bounds of before do not hold
      this.scene.add(each);
    }
    this.repaint(paint);
  }

  /** Take the colours of another theme. */
  repaint(paint: Paint): void {
    this.paint = paint;
    const set = (name: string, colour: string) => this.materials[name]?.color.set(colour);
    set("line", paint.text);
    set("points", paint.text);
    set("forward", paint.strong);
    set("box", paint.line);
    if (this.lattice) this.show(this.lattice);
  }

  /** Put other numbers into the buffers that are there. */
  show(lattice: Lattice): void {
    this.lattice = lattice;
    const { frame } = lattice;
    const { stops } = this.paint;
    this.parts.mesh.write(lattice.triangles, frame.volatility, stops);
    this.parts.lines.write(lattice.lines, frame.volatility, stops);
    this.parts.forward.write(lattice.forward, frame.volatility, stops);
    this.parts.points.write(lattice.points, frame.volatility, stops);
    this.parts.box.write(this.box(lattice), frame.volatility, stops);
  }

  resize(width: number, height: number, density: number): void {
    this.size = { width, height };
    this.renderer.setPixelRatio(density);
    this.renderer.setSize(width, height, false);
    (this.materials.points as PointsMaterial).size = 5 * density;
    this.camera.aspect = width / height;
    // A narrow canvas shows the same width.
    const tall = Math.max(1, WIDE / this.camera.aspect) * Math.tan((FIELD * Math.PI) / 360);
    this.camera.fov = (Math.atan(tall) * 360) / Math.PI;
    this.camera.updateProjectionMatrix();
  }

  draw(view: View): void {
    const turned = this.quarter(view) !== (this.view && this.quarter(this.view));
    this.view = view;
    if (turned && this.lattice) {
      this.parts.box.write(this.box(this.lattice), this.lattice.frame.volatility, this.paint.stops);
    }
    this.camera.position.set(...eyeOf(view, MIDDLE));
    this.camera.lookAt(0, MIDDLE, 0);
    this.camera.updateMatrixWorld();
    this.renderer.render(this.scene, this.camera);
  }

  /** Where a place of the box is seen. */
  spotOf(place: Place): Spot {
    const seen = new Vector3(...place).project(this.camera);
    return {
      x: ((seen.x + 1) / 2) * this.size.width,
      y: ((1 - seen.y) / 2) * this.size.height,
    };
  }

  /** How many buffers and textures the graphics card holds for this. */
  get held(): number {
    return this.renderer.info.memory.geometries + this.renderer.info.memory.textures;
  }

  dispose(): void {
    for (const part of Object.values(this.parts)) part.geometry.dispose();
    for (const material of Object.values(this.materials)) material.dispose();
    this.dot.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss(); // a browser grants few contexts
  }

  /** From which side it is seen: the walls that are drawn are the far ones. */
  private quarter(view: View): string {
    return `${Math.sin(view.azimuth) >= 0} ${Math.cos(view.azimuth) >= 0}`;
  }

  /** The floor and the two far walls, with a line at each tick. */
  private box({ frame, points, lines }: Lattice): Corner[] {
    const view = this.view ?? { azimuth: 0 };
    const wallX = Math.sin(view.azimuth) >= 0 ? -HALF_WIDTH : HALF_WIDTH;
    const wallZ = Math.cos(view.azimuth) >= 0 ? -HALF_DEPTH : HALF_DEPTH;
    const ends: Place[] = [];
    for (const tick of frame.xTicks) {
      const x = widthOf(tick, frame);
      ends.push([x, 0, -HALF_DEPTH], [x, 0, HALF_DEPTH], [x, 0, wallZ], [x, HEIGHT, wallZ]);
    }
    const depths = new Set([...points, ...lines].map((corner) => corner.place[2]));
    for (const z of [HALF_DEPTH, depthOf(frame.years, frame), ...depths]) {
      ends.push([-HALF_WIDTH, 0, z], [HALF_WIDTH, 0, z], [wallX, 0, z], [wallX, HEIGHT, z]);
    }
    for (const tick of frame.volatilityTicks) {
      const y = heightOf(tick, frame);
      ends.push([-HALF_WIDTH, y, wallZ], [HALF_WIDTH, y, wallZ]);
      ends.push([wallX, y, -HALF_DEPTH], [wallX, y, HALF_DEPTH]);
    }
    return ends.map((place) => ({ place, volatility: 0 }));
  }
}

/** A white disc: the shape of a mark. */
function disc(): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = 32;
  canvas.height = 32;
  const pen = canvas.getContext("2d");
  if (pen) {
    pen.fillStyle = "#fff";
    pen.arc(16, 16, 15, 0, 2 * Math.PI);
    pen.fill();
  }
  return canvas;
}
