/** The surface in three dimensions, turned by mouse, touch and keys; the drawing code is fetched when first shown. */

import {
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
  useEffect,
  useId,
  useRef,
  useState,
} from "react";
import { useCell } from "../../data/hooks";
import { signed } from "../../format/numbers";
import { Empty, Loading, useSize } from "../../parts";
import { paint } from "../../shell/theme";
import { strikeText, volatilityText } from "./frame";
import { pointWords } from "./labels";
import type { Known, Lattice } from "./lattice";
import type { Spot } from "./scene";
import type { Smile } from "./smile";
import { Stage, type StageState } from "./stage";

const STEPS = [
  { key: "ArrowLeft", sign: "←", name: "Turn left" },
  { key: "ArrowRight", sign: "→", name: "Turn right" },
  { key: "ArrowUp", sign: "↑", name: "Look from higher" },
  { key: "ArrowDown", sign: "↓", name: "Look from lower" },
  { key: "+", sign: "+", name: "Nearer" },
  { key: "-", sign: "−", name: "Farther" },
  { key: "0", sign: "Reset", name: "Reset the view" },
] as const;

const WHY: Partial<Record<StageState, string>> = {
  missing: "This browser draws no WebGL, or it is switched off",
  lost: "The browser took the drawing back, as it does when the graphics card is busy or restarts",
  failed: "The code that draws it did not come",
};

type Pointed = Spot & { known: Known };

export function Surface({
  lattice,
  smiles,
  label,
  fallback,
}: {
  lattice: Lattice;
  smiles: readonly Smile[];
  /** What it shows, in words. */
  label: string;
  /** What stands in its place where it cannot be drawn. */
  fallback: ReactNode;
}) {
  const box = useRef<HTMLDivElement>(null);
  const layer = useRef<HTMLDivElement>(null);
  const stage = useRef<Stage | null>(null);
  const dragged = useRef<Spot | null>(null);
  const [state, setState] = useState<StageState>("loading");
  const [round, setRound] = useState(0);
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const size = useSize(box);
  const painted = useCell(paint);
  const id = useId();

  // biome-ignore lint/correctness/useExhaustiveDependencies: `round` begins anew
  useEffect(() => {
    const [place, words] = [box.current, layer.current];
    if (!place || !words) return;
    const made = new Stage(place, words, setState);
    made.onDrawn = () => setPointed((before) => before && followed(made, before));
    stage.current = made;
    void made.open();
    return () => {
      stage.current = null;
      made.close();
    };
  }, [round]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `state`: a drawing that has just come
  useEffect(() => {
    stage.current?.resize(size.width, size.height);
  }, [size.width, size.height, state]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `state`: a drawing that has just come
  useEffect(() => {
    stage.current?.show(lattice, smiles);
  }, [lattice, smiles, state]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `painted` stands for colours
  useEffect(() => {
    stage.current?.repaint();
  }, [painted]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") setPointed(null);
    else if (stage.current?.press(event.key)) event.preventDefault();
  };
  const onPointerDown = (event: PointerEvent<HTMLDivElement>) => {
    if (event.button !== 0) return;
    dragged.current = { x: event.clientX, y: event.clientY };
    event.currentTarget.setPointerCapture(event.pointerId);
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>) => {
    const made = stage.current;
    const from = dragged.current;
    if (!made) return;
    if (from) {
      made.drag(event.clientX - from.x, event.clientY - from.y);
      dragged.current = { x: event.clientX, y: event.clientY };
      return;
    }
    const place = event.currentTarget.getBoundingClientRect();
    const at = { x: event.clientX - place.left, y: event.clientY - place.top };
    const known = made.nearest(at);
    setPointed(known && made.spotOf(known.smile.expiryUs, known.point.strike));
  };
  const onPointerUp = () => {
    dragged.current = null;
  };

  const why = WHY[state];
  return (
    <>
      {why && (
        <div className="surface-missing" role="status">
          <Empty title="The surface is not drawn">
            <p>{why}. The same volatilities stand in the table.</p>
            {state !== "missing" && (
              <button
                type="button"
                className="button"
                onClick={() => {
                  setState("loading");
                  setRound((n) => n + 1);
                }}
              >
                Draw again
              </button>
            )}
          </Empty>
        </div>
      )}
      {why && fallback}
      <div className="surface" hidden={why !== undefined}>
        <div
          className="surface-box"
          ref={box}
          role="application"
          aria-roledescription="surface in three dimensions"
          aria-label={label}
          aria-describedby={id}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: the surface takes keys
          tabIndex={0}
          onKeyDown={onKeyDown}
          onPointerDown={onPointerDown}
          onPointerMove={onPointerMove}
          onPointerUp={onPointerUp}
          onPointerCancel={onPointerUp}
          onPointerLeave={() => setPointed(null)}
        >
          <div className="surface-words" ref={layer} aria-hidden="true" />
          {state === "loading" && <Loading what="the drawing" />}
          {pointed && state === "drawn" && <Tip pointed={pointed} width={size.width} />}
        </div>
        <div className="surface-tools">
          {STEPS.map((step) => (
            <button
              key={step.key}
              type="button"
              className="button"
              aria-label={step.name}
              title={step.name}
              onClick={() => stage.current?.press(step.key)}
            >
              {step.sign}
            </button>
          ))}
          <span className="muted" id={id}>
            Drag or arrow keys turn, + and − zoom, 0 resets; the wheel zooms while the surface has
            the focus.
          </span>
        </div>
      </div>
    </>
  );
}

/** What is pointed at, where it stands now; null where it is no more. The same object where nothing moved. */
function followed(stage: Stage, before: Pointed): Pointed | null {
  const { smile, point } = before.known;
  const now = stage.spotOf(smile.expiryUs, point.strike);
  const isSame = now && now.x === before.x && now.y === before.y && now.known === before.known;
  return isSame ? before : now;
}

function Tip({ pointed, width }: { pointed: Pointed; width: number }) {
  const { smile, point } = pointed.known;
  const isRight = pointed.x > width / 2;
  return (
    <>
      <i className="surface-ring" style={{ left: pointed.x, top: pointed.y }} />
      <div
        className="surface-tip"
        role="status"
        style={{
          left: pointed.x + (isRight ? -14 : 14),
          top: pointed.y,
          transform: `translate(${isRight ? "-100%" : "0"}, -50%)`,
        }}
      >
        <strong className="num">{volatilityText(point.volatility)}</strong> a year, received
        <br />
        strike {strikeText(point.strike)} USD, ln {signed(point.moneyness, 3)}
        <br />
        {pointWords(smile)}
      </div>
    </>
  );
}
