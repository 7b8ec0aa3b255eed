/** The marks of the journal, newest first, each a way to its instant. */

import { memo } from "react";
import { count } from "../../format/numbers";
import { clock, instant } from "../../format/times";
import { Empty, Panel } from "../../parts";
import { goToInstant } from "../../shell/router";
import type { JournalMark, JournalSpan } from "../../wire";
import { KINDS } from "./kinds";

const ROWS = 150;

export function Marks({
  span,
  marks,
  hidden,
  onToggle,
  seq,
}: {
  span: JournalSpan;
  /** Those of the kinds that are not hidden. */
  marks: readonly JournalMark[];
  hidden: ReadonlySet<string>;
  onToggle: (kind: string) => void;
  seq: number;
}) {
  const read = span.marks_to_seq < span.last_seq - 500;
  return (
    <Panel
      title="Worth looking at"
      note={
        read
          ? `read up to event ${count(span.marks_to_seq)}`
          : marks.length > ROWS
            ? `the latest ${ROWS} of ${count(marks.length)}, UTC`
            : "newest first, UTC"
      }
      isFlush
      className="time-marks"
    >
      <fieldset className="kinds">
        <legend className="sr-only">Kinds of marks</legend>
        {KINDS.map(({ kind, name }) => (
          <button
            key={kind}
            type="button"
            className={`button is-quiet kind kind-${kind}`}
            aria-pressed={!hidden.has(kind)}
            onClick={() => onToggle(kind)}
          >
            <i aria-hidden="true" />
            {name} {count(span.marks.filter((mark) => mark.kind === kind).length)}
          </button>
        ))}
      </fieldset>
      {marks.length === 0 ? (
        <Empty title="No marks">
          Liquidations, reductions, debts, protections and changes of the method are marked here.
        </Empty>
      ) : (
        <ol className="marks" aria-label="Marks, newest first">
          {marks
            .slice(-ROWS)
            .reverse()
            .map((mark) => (
              <Row key={`${mark.seq} ${mark.kind}`} mark={mark} isShown={mark.seq === seq} />
            ))}
        </ol>
      )}
    </Panel>
  );
}

const Row = memo(function Row({ mark, isShown }: { mark: JournalMark; isShown: boolean }) {
  return (
    <li>
      <button
        type="button"
        className={`mark kind-${mark.kind}`}
        aria-current={isShown || undefined}
        title={`${instant(mark.time_us)}: go to event ${count(mark.seq)}`}
        onClick={() => goToInstant(mark.seq)}
      >
        <i aria-hidden="true" />
        <time>{clock(mark.time_us)}</time>
        <span className="mark-text">{mark.text}</span>
        <span className="num muted">{count(mark.seq)}</span>
      </button>
    </li>
  );
});
