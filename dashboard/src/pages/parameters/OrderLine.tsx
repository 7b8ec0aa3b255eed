/** One order of an operator: what, who, why, since, until, and how it ended. */

import type { ReactNode } from "react";
import type { Ended } from "../../control_wire";
import { count } from "../../format/numbers";
import { age, instant } from "../../format/times";
import { words } from "../../format/words";
import { toneOfOrder } from "./orders";

interface Ordered {
  id: string;
  state: string;
  author: string;
  reason: string;
  since_us: number;
  since_seq: number;
  until_us: number | null;
  ended: Ended | null;
  approver?: string | null;
  approved_us?: number | null;
}

export function OrderLine({
  order,
  title,
  nowUs,
  openEnd = "",
  heldUntilUs = null,
  children,
}: {
  order: Ordered;
  title: string;
  nowUs: number;
  /** What ends it where no time does. */
  openEnd?: string;
  heldUntilUs?: number | null;
  children?: ReactNode;
}) {
  const left = order.until_us === null || nowUs === 0 ? null : order.until_us - nowUs;
  return (
    <article className="order" aria-label={`${title}, ${order.id}`}>
      <header className="order-head">
        <strong>{title}</strong>
        <span className={`order-state ${toneOfOrder(order.state)}`}>{words(order.state)}</span>
        <span className="mono muted">{order.id}</span>
        <span className="order-do">{children}</span>
      </header>
      <dl className="facts order-facts">
        <dt>Why</dt>
        <dd>{order.reason}</dd>
        <dt>By</dt>
        <dd>
          <span className="mono">{order.author}</span>, {instant(order.since_us)}, event{" "}
          {count(order.since_seq)}
        </dd>
        {order.approver !== undefined && (
          <>
            <dt>Approved by</dt>
            <dd>
              {order.approver ? (
                <>
                  <span className="mono">{order.approver}</span>, {instant(order.approved_us)}
                </>
              ) : (
                "nobody yet"
              )}
            </dd>
          </>
        )}
        <dt>Until</dt>
        <dd>
          {order.until_us === null ? openEnd : instant(order.until_us)}
          {order.ended === null && left !== null && left > 0 && `, in ${age(left)}`}
        </dd>
        {heldUntilUs !== null && (
          <>
            <dt>Liquidations held until</dt>
            <dd>{instant(heldUntilUs)}</dd>
          </>
        )}
        {order.ended && (
          <>
            <dt>Ended</dt>
            <dd>
              {instant(order.ended.time_us)}
              {order.ended.by ? ` by ${order.ended.by}` : " by time"}
              {order.ended.reason && `: ${order.ended.reason}`}
            </dd>
          </>
        )}
      </dl>
    </article>
  );
}
