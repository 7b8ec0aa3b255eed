/** What stands where data does not: empty, loading, failed. Each says which of them it is, and why. */

import type { ReactNode } from "react";
import type { Word } from "../data/channels";
import type { CallFailure } from "../data/errors";
import { isForbidden, isUnproven } from "../data/errors";
import { Icon } from "./Icon";

/** There is nothing, and that is known. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="note">
      <Icon name="empty" />
      <div>
        <strong>{title}</strong>
        {children}
      </div>
    </div>
  );
}

/** Lines without numbers: nothing is shown that is not known. */
export function Loading({ what, lines = 4 }: { what: string; lines?: number }) {
  const bars = Array.from({ length: lines }, (_, i) => `line ${i}`);
  return (
    <div className="skeleton" role="status">
      <span className="sr-only">Loading {what}</span>
      {bars.map((bar) => (
        <i key={bar} aria-hidden="true" />
      ))}
    </div>
  );
}

/** What went wrong, by which rule, and the cure. */
export function ErrorNote({ error, again }: { error: CallFailure; again?: () => void }) {
  const head = isUnproven(error)
    ? "Not logged in"
    : isForbidden(error)
      ? "Not allowed"
      : error.reason;
  return (
    <div className="note note-failed" role="alert">
      <Icon name="alert" />
      <div>
        <strong>{head.charAt(0).toUpperCase() + head.slice(1)}</strong>
        {head !== error.reason && <p>{error.reason}</p>}
        <dl>
          {error.rule && (
            <>
              <dt>Rule</dt>
              <dd>{error.rule}</dd>
            </>
          )}
          {error.cure && (
            <>
              <dt>Cure</dt>
              <dd>{error.cure}</dd>
            </>
          )}
          {error.code && (
            <>
              <dt>Code</dt>
              <dd className="mono">{error.code}</dd>
            </>
          )}
        </dl>
        {again && (
          <p style={{ marginTop: 8 }}>
            <button type="button" className="button" onClick={again}>
              Ask again
            </button>
          </p>
        )}
      </div>
    </div>
  );
}

/**
 * The children of what has come, or a note in its place.
 *
 * An error beside data that is already there is shown above it.
 */
export function Shown<T>({
  data,
  error = null,
  word,
  what,
  again,
  lines,
  children,
}: {
  data: T | null;
  error?: CallFailure | null;
  word?: Word;
  what: string;
  again?: () => void;
  lines?: number;
  children: (data: T) => ReactNode;
}) {
  const failure = error ?? (word?.kind === "failed" ? word.error : null);
  if (data === null) {
    if (failure) return <ErrorNote error={failure} {...(again && { again })} />;
    return <Loading what={what} {...(lines !== undefined && { lines })} />;
  }
  return (
    <>
      {failure && <ErrorNote error={failure} {...(again && { again })} />}
      {children(data)}
    </>
  );
}
