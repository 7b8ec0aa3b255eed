/** A panel that opens and closes, and remembers it; what is in it asks only while it is seen. */

import { createContext, type ReactNode, useContext, useId, useRef, useState } from "react";
import { useCondition } from "../../shell/useCondition";
import { useSeen } from "./asking";

/** Whether the panel is open and on the screen. */
const Seen = createContext(false);
export const useIsSeen = (): boolean => useContext(Seen);

const KEY = "steelyard.account.closed";

function closedNames(): Set<string> {
  try {
    return new Set((localStorage.getItem(KEY) ?? "").split(" ").filter(Boolean));
  } catch {
    return new Set();
  }
}

function remember(name: string, isOpen: boolean): void {
  const names = closedNames();
  if (isOpen) names.delete(name);
  else names.add(name);
  try {
    localStorage.setItem(KEY, [...names].join(" "));
  } catch {
    // It holds for this visit then.
  }
}

export function Section({
  name,
  title,
  note,
  isFlush = false,
  isLive = true,
  children,
}: {
  /** A word for the address of the panel, and for remembering it. */
  name: string;
  title: string;
  note?: ReactNode;
  isFlush?: boolean;
  isLive?: boolean;
  children: ReactNode;
}) {
  const id = useId();
  const frame = useRef<HTMLElement>(null);
  const [isOpen, setOpen] = useState(() => !closedNames().has(name));
  const isSeen = useSeen(frame);
  const { kind } = useCondition();
  const isOld = isLive && (kind === "disconnected" || kind === "stale");
  const toggle = () => {
    setOpen(!isOpen);
    remember(name, !isOpen);
  };
  return (
    <section
      className={`panel account-section${isOld ? " is-old" : ""}`}
      id={name}
      aria-labelledby={`${id}-head`}
      ref={frame}
    >
      <header className={`panel-head${isOpen ? "" : " is-closed"}`}>
        <h2 id={`${id}-head`}>
          <button
            type="button"
            className="fold"
            aria-expanded={isOpen}
            aria-controls={`${id}-body`}
            onClick={toggle}
          >
            <svg width="9" height="9" viewBox="0 0 10 10" aria-hidden="true" focusable="false">
              <path d={isOpen ? "M0 2h10L5 9z" : "M2 0v10l7-5z"} fill="currentColor" />
            </svg>
            {title}
          </button>
        </h2>
        {isOld && <span className="panel-old">▲ old</span>}
        {note && isOpen && <span className="panel-note">{note}</span>}
      </header>
      <div id={`${id}-body`} hidden={!isOpen} className={`panel-body${isFlush ? " is-flush" : ""}`}>
        {isOpen && <Seen value={isSeen}>{children}</Seen>}
      </div>
    </section>
  );
}
