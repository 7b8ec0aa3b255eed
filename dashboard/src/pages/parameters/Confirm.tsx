/** The step before anything is changed: what will happen, who orders it, and the honest outcome. */

import { type FormEvent, useEffect, useState } from "react";
import type { Writes } from "../../control_wire";
import type { Names } from "../../data/control";
import { usePerson, useWrite } from "../../data/control_hooks";
import { Cell } from "../../data/emitter";
import { useCell } from "../../data/hooks";
import { count } from "../../format/numbers";
import { instant } from "../../format/times";
import { Dialog, ErrorNote, TextField } from "../../parts";
import { REASON_LENGTH_MAX } from "./draft";

export interface Order<W extends keyof Writes> {
  title: string;
  /** What will happen, in sentences. */
  says: readonly string[];
  /** The word on the button. */
  verb: string;
  route: W;
  names?: Names;
  /** What is sent; of a reason where one is asked for in the dialog. */
  body: (reason: string) => Writes[W]["body"];
  asksReason?: boolean;
  /** What has to be typed first. */
  phrase?: string;
  isGrave?: boolean;
  /** What becomes of the form that led here. */
  onDone?: () => void;
}

type AnyOrder = Order<"POST /halts">;

const given = new Cell<AnyOrder | null>(null);

/** Ask for the confirmation of an order. What led to it may go while it is given: the outcome stays. */
export function giveOrder<W extends keyof Writes>(order: Order<W>): void {
  given.set(order as unknown as AnyOrder);
}

/** Where orders are confirmed: once on the page. */
export function Confirmation() {
  const order = useCell(given);
  useEffect(() => () => given.set(null), []);
  return order && <Confirm order={order} onClose={() => given.set(null)} />;
}

function Confirm({ order, onClose }: { order: AnyOrder; onClose: () => void }) {
  const { keyId, held } = usePerson();
  const writing = useWrite(order.route);
  const [reason, setReason] = useState("");
  const [typedPhrase, setTypedPhrase] = useState("");
  const isTyped = !order.phrase || typedPhrase.trim().toLowerCase() === order.phrase;
  const isReady = isTyped && (!order.asksReason || reason.trim() !== "") && held === null;
  const { onDone } = order;
  const isDone = writing.done !== null;
  useEffect(() => {
    if (isDone) onDone?.();
  }, [isDone, onDone]);
  const give = (event: FormEvent) => {
    event.preventDefault();
    if (isReady && !writing.isSending) void writing.send(order.body(reason.trim()), order.names);
  };
  return (
    <Dialog title={order.title} isOpen onClose={onClose}>
      {writing.done ? (
        <Outcome done={writing.done} onClose={onClose} />
      ) : (
        <form onSubmit={give} className="confirm">
          <ul className="confirm-says">
            {order.says.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
          {order.asksReason && (
            <TextField
              label="Reason, kept in the journal"
              value={reason}
              maxLength={REASON_LENGTH_MAX}
              onChange={(event) => setReason(event.target.value)}
            />
          )}
          {order.phrase && (
            <TextField
              label={`Type “${order.phrase}” to go on`}
              value={typedPhrase}
              onChange={(event) => setTypedPhrase(event.target.value)}
            />
          )}
          {writing.error && <ErrorNote error={writing.error} />}
          {writing.isUncertain && (
            <p className="confirm-uncertain doubt">
              Whether it was done is not known. Sending it again finds out, and does nothing twice.
            </p>
          )}
          {held && <p className="doubt">{held}</p>}
          <div className="confirm-foot">
            <span className="muted">
              Ordered by <span className="mono">{keyId || "nobody"}</span>
            </span>
            <button type="button" className="button" onClick={onClose}>
              Cancel
            </button>
            <button
              type="submit"
              className={`button is-first${order.isGrave ? " is-grave" : ""}`}
              disabled={!isReady || writing.isSending}
            >
              {writing.isSending
                ? "Waiting for the journal…"
                : writing.isUncertain
                  ? "Send again"
                  : order.verb}
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

interface Place {
  seq?: number;
  position?: number;
  time_us?: number;
  id?: string;
}

function Outcome({ done, onClose }: { done: unknown; onClose: () => void }) {
  const place = done as Place;
  return (
    <div className="confirm" role="status">
      <p>
        <strong className="good">Done</strong>, and the journal holds it.
      </p>
      <dl className="facts">
        {place.id && (
          <>
            <dt>Id</dt>
            <dd className="mono">{place.id}</dd>
          </>
        )}
        <dt>Event</dt>
        <dd>{count(place.seq)}</dd>
        <dt>Position in the journal</dt>
        <dd>{count(place.position)}</dd>
        <dt>Engine time</dt>
        <dd>{instant(place.time_us)}</dd>
      </dl>
      <div className="confirm-foot">
        <button
          type="button"
          className="button is-first"
          onClick={onClose}
          ref={(it) => it?.focus()}
        >
          Close
        </button>
      </div>
    </div>
  );
}
