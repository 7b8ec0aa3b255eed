/** Steps to events and marks, and playing. */

import { useAsOf } from "../../data/hooks";
import { clock } from "../../format/times";
import { goToInstant } from "../../shell/router";
import type { JournalMark, JournalSpan } from "../../wire";
import { stepped } from "./scale";

const SPEEDS = [1, 10, 60];

export function Controls({
  span,
  seq,
  speed,
  before,
  after,
  onWish,
  onMark,
  onPlay,
}: {
  span: JournalSpan;
  seq: number;
  /** null: not playing. */
  speed: number | null;
  before: JournalMark | null;
  after: JournalMark | null;
  onWish: (seq: number) => void;
  onMark: (mark: JournalMark | null) => void;
  onPlay: (speed: number | null) => void;
}) {
  const asOf = useAsOf();
  const step = (key: string) => onWish(stepped(key, seq, span) ?? seq);
  const isFirst = seq <= span.first_seq;
  const isLast = asOf === null || seq >= span.last_seq;
  return (
    <div className="controls" role="toolbar" aria-label="Steps and playing">
      <Step
        text="◀ Mark"
        label={
          before ? `Mark before: ${before.text}, ${clock(before.time_us)}` : "No mark before this"
        }
        isOff={!before}
        onClick={() => onMark(before)}
      />
      <Step
        text="−100"
        label="A hundred events back"
        isOff={isFirst}
        onClick={() => step("PageDown")}
      />
      <Step text="−1" label="One event back" isOff={isFirst} onClick={() => step("ArrowLeft")} />
      <Step text="+1" label="One event on" isOff={isLast} onClick={() => step("ArrowRight")} />
      <Step text="+100" label="A hundred events on" isOff={isLast} onClick={() => step("PageUp")} />
      <Step
        text="Mark ▶"
        label={after ? `Mark after: ${after.text}, ${clock(after.time_us)}` : "No mark after this"}
        isOff={!after}
        onClick={() => onMark(after)}
      />
      <span className="tools-apart" />
      <span className="muted" aria-hidden="true">
        Play
      </span>
      {SPEEDS.map((each) => (
        <button
          key={each}
          type="button"
          className="button"
          aria-pressed={speed === each}
          aria-label={speed === each ? `Pause playing at ${each} times` : `Play at ${each} times`}
          onClick={() => onPlay(speed === each ? null : each)}
        >
          {speed === each ? "❚❚" : "▶"} {each}×
        </button>
      ))}
      <span className="tools-apart" />
      <button
        type="button"
        className="button"
        disabled={asOf === null}
        onClick={() => goToInstant(null)}
      >
        Return to now
      </button>
    </div>
  );
}

function Step({
  text,
  label,
  isOff,
  onClick,
}: {
  text: string;
  label: string;
  isOff: boolean;
  onClick: () => void;
}) {
  return (
    <button
      type="button"
      className="button"
      aria-label={label}
      title={label}
      disabled={isOff}
      onClick={onClick}
    >
      {text}
    </button>
  );
}
