/** The numbers that are read first, each with its unit and what it is of. */

import type { ReactNode } from "react";

export interface Figure {
  name: string;
  value: ReactNode;
  note?: ReactNode;
  tone?: "good" | "doubt" | "bad";
}

export function KeyFigures({ figures, label }: { figures: readonly Figure[]; label: string }) {
  return (
    <dl className="figures" aria-label={label}>
      {figures.map((figure) => (
        <div className="figure" key={figure.name}>
          <dt>{figure.name}</dt>
          <dd className={figure.tone}>{figure.value}</dd>
          <dd className="figure-note">{figure.note ?? " "}</dd>
        </div>
      ))}
    </dl>
  );
}
