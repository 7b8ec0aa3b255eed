/** The slider over the journal: by pointer and by keys, under its chart, with the marks in lanes. */

import { type KeyboardEvent, type PointerEvent, useMemo, useRef } from "react";
import { count } from "../../format/numbers";
import { instant } from "../../format/times";
import type { JournalSpan } from "../../wire";
import { KINDS } from "./kinds";
import { placeOf, type Scale, seqAtPlace, stepped, timeOf } from "./scale";

const BINS = 240;

export function Slider({
  span,
  scale,
  seq,
  isNow,
  onWish,
}: {
  span: JournalSpan;
  scale: Scale;
  seq: number;
  isNow: boolean;
  onWish: (seq: number) => void;
}) {
  const track = useRef<HTMLDivElement>(null);
  const place = placeOf(scale, seq);
  const onKey = (event: KeyboardEvent) => {
    const to = stepped(event.key, seq, span);
    if (to === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    onWish(to);
  };
  const at = (event: PointerEvent) => {
    const box = track.current?.getBoundingClientRect();
    if (box?.width) onWish(seqAtPlace(scale, (event.clientX - box.left) / box.width));
  };
  return (
    <div
      ref={track}
      className="slider"
      role="slider"
      tabIndex={0}
      aria-label="Event that is shown"
      aria-valuemin={span.first_seq}
      aria-valuemax={span.last_seq}
      aria-valuenow={seq}
      aria-valuetext={`${isNow ? "now, " : ""}event ${count(seq)}, ${instant(timeOf(scale, seq))}`}
      onKeyDown={onKey}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        at(event);
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) at(event);
      }}
    >
      <Lanes span={span} scale={scale} />
      <span className="slider-track" aria-hidden="true">
        <i style={{ width: `${place * 100}%` }} />
      </span>
      <span className="slider-thumb" aria-hidden="true" style={{ left: `${place * 100}%` }} />
    </div>
  );
}

/** Marks of a kind in a lane of their own; those that would stand on one another are one. */
function Lanes({ span, scale }: { span: JournalSpan; scale: Scale }) {
  const lanes = useMemo(
    () =>
      KINDS.map(({ kind }) => {
        const bins = new Set(
          span.marks
            .filter((mark) => mark.kind === kind)
            .map((mark) => Math.round(placeOf(scale, mark.seq) * BINS)),
        );
        return { kind, bins: [...bins] };
      }),
    [span.marks, scale],
  );
  return (
    <>
      {lanes.map(({ kind, bins }) => (
        <span key={kind} className={`lane kind-${kind}`} aria-hidden="true">
          {bins.map((bin) => (
            <i key={bin} style={{ left: `${(bin / BINS) * 100}%` }} />
          ))}
        </span>
      ))}
    </>
  );
}
