/** Fields with their label, unit and what is wrong with them, tied together for screen readers. */

import { type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, useId } from "react";

interface Framed {
  label: string;
  note?: string;
  error?: string | null;
}

function Frame({ id, label, note, error, children }: Framed & { id: string; children: ReactNode }) {
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children}
      {note && (
        <span className="field-note" id={`${id}-note`}>
          {note}
        </span>
      )}
      {error && (
        <span className="field-error" id={`${id}-error`} role="alert">
          {error}
        </span>
      )}
    </div>
  );
}

const describedBy = (id: string, { note, error }: Framed) =>
  [note && `${id}-note`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;

export function TextField({
  label,
  note,
  error,
  isNumber = false,
  ...input
}: Framed & { isNumber?: boolean } & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  const framed: Framed = { label, ...(note && { note }), error: error ?? null };
  return (
    <Frame id={id} {...framed}>
      <input
        id={id}
        className={`input${isNumber ? " is-number" : ""}`}
        aria-invalid={Boolean(error)}
        aria-describedby={describedBy(id, framed)}
        autoComplete="off"
        spellCheck={false}
        {...(isNumber && { inputMode: "decimal" as const })}
        {...input}
      />
    </Frame>
  );
}

export function SelectField({
  label,
  note,
  error,
  options,
  ...select
}: Framed & {
  options: readonly { value: string; text: string }[];
} & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId();
  const framed: Framed = { label, ...(note && { note }), error: error ?? null };
  return (
    <Frame id={id} {...framed}>
      <select
        id={id}
        className="input"
        aria-invalid={Boolean(error)}
        aria-describedby={describedBy(id, framed)}
        {...select}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.text}
          </option>
        ))}
      </select>
    </Frame>
  );
}
