/** A frame with a heading; it says so where what it shows is old. */

import { type ReactNode, useId } from "react";
import { useCondition } from "../shell/useCondition";

export function Panel({
  title,
  note,
  tools,
  isFlush = false,
  isLive = true,
  className = "",
  children,
}: {
  title: string;
  /** What stands beside the heading: scope, unit, count. */
  note?: ReactNode;
  tools?: ReactNode;
  /** Without padding, for tables. */
  isFlush?: boolean;
  /** Whether the content ages when the connection is lost or stale. */
  isLive?: boolean;
  className?: string;
  children: ReactNode;
}) {
  const id = useId();
  const { kind } = useCondition();
  const isOld = isLive && (kind === "disconnected" || kind === "stale");
  return (
    <section className={`panel ${isOld ? "is-old " : ""}${className}`} aria-labelledby={id}>
      <header className="panel-head">
        <h2 id={id}>{title}</h2>
        {isOld && <span className="panel-old">▲ old</span>}
        {note && <span className="panel-note">{note}</span>}
        {tools && <div className="panel-tools">{tools}</div>}
      </header>
      <div className={`panel-body${isFlush ? " is-flush" : ""}`}>{children}</div>
    </section>
  );
}
