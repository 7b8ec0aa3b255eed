/** A margin unit's name: the account, and the instrument of an isolated one in quieter letters. */

export function UnitName({ unit }: { unit: string }) {
  const at = unit.indexOf("/");
  const owner = at < 0 ? unit : unit.slice(0, at);
  return (
    <span className="unit-name" title={unit}>
      {owner}
      {at >= 0 && <span>{unit.slice(at)}</span>}
    </span>
  );
}
