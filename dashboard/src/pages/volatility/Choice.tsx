/** One of a few, as buttons of which one is pressed. */

export function Choice<V extends string>({
  label,
  options,
  chosen,
  onChoose,
}: {
  label: string;
  options: readonly { value: V; text: string }[];
  chosen: V;
  onChoose: (value: V) => void;
}) {
  return (
    <fieldset className="volatility-choice" aria-label={label}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          className="button"
          aria-pressed={option.value === chosen}
          onClick={() => onChoose(option.value)}
        >
          {option.text}
        </button>
      ))}
    </fieldset>
  );
}
