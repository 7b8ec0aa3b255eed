/** A word with its explanation, on hover and on focus; Escape puts it away. */

import { type ReactNode, useId, useRef, useState } from "react";

export function Tooltip({ text, children }: { text: string; children: ReactNode }) {
  const id = useId();
  const word = useRef<HTMLButtonElement>(null);
  const [place, setPlace] = useState<{ left: number; top: number } | null>(null);
  const show = () => {
    const box = word.current?.getBoundingClientRect();
    if (!box) return;
    const left = Math.max(8, Math.min(box.left, innerWidth - 308));
    const isHigh = box.bottom + 90 > innerHeight;
    setPlace({ left, top: isHigh ? box.top - 8 : box.bottom + 6 });
  };
  const hide = () => setPlace(null);
  return (
    <>
      <button
        type="button"
        ref={word}
        className="tip"
        aria-describedby={place ? id : undefined}
        onMouseEnter={show}
        onMouseLeave={hide}
        onFocus={show}
        onBlur={hide}
        onKeyDown={(event) => event.key === "Escape" && hide()}
      >
        {children}
      </button>
      {place && (
        <span
          role="tooltip"
          id={id}
          className="tip-text"
          style={{
            left: place.left,
            top: place.top,
            transform:
              place.top < (word.current?.getBoundingClientRect().top ?? 0)
                ? "translateY(-100%)"
                : undefined,
          }}
        >
          {text}
        </span>
      )}
    </>
  );
}
