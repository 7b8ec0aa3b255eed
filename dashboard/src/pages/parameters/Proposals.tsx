/** Changes of parameters: proposed by one person, seen in what they would do, decided on by another. */

import { useMemo } from "react";
import type { Parameters, ProposalTold } from "../../control_wire";
import { useControl, useControlList } from "../../data/control_hooks";
import { count } from "../../format/numbers";
import { Empty, Panel, Shown } from "../../parts";
import { NewProposal } from "./NewProposal";
import { isStanding, newestFirst } from "./orders";
import { ProposalCard } from "./ProposalCard";
import { leafAt, leavesOf } from "./tree";

const EVERY_MS = 3_000;
const ENDED_MAX = 50;

export function Proposals({ nowUs, onMethod }: { nowUs: number; onMethod: () => void }) {
  const told = useControlList("/proposals", EVERY_MS);
  const method = useControl("/parameters", { everyMs: 5 * EVERY_MS });
  return (
    <div className="parameters-stack">
      <Panel title="New proposal" note="one person proposes, another approves" isLive={false}>
        <Shown data={method.result} error={method.error} again={method.again} what="the method">
          {(found) => <NewProposal method={found} nowUs={nowUs} onMethod={onMethod} />}
        </Shown>
      </Panel>
      <Shown data={told.result} error={told.error} again={told.again} what="proposals" lines={6}>
        {(found) => <Lists items={found.items} method={method.result} nowUs={nowUs} />}
      </Shown>
    </div>
  );
}

function Lists({
  items,
  method,
  nowUs,
}: {
  items: readonly ProposalTold[];
  method: Parameters | null;
  nowUs: number;
}) {
  const leaves = useMemo(() => leavesOf(method?.parameters ?? []), [method]);
  const unitOf = (path: string) => leafAt(leaves, path)?.unit ?? "";
  const sorted = newestFirst(items);
  const open = sorted.filter(isStanding);
  const ended = sorted.filter((each) => !isStanding(each));
  return (
    <>
      <Panel title="Open proposals" note={`${count(open.length)}, newest first`} isFlush>
        {open.length === 0 ? (
          <Empty title="Nothing waits for an approval or its time" />
        ) : (
          open.map((each) => (
            <ProposalCard key={each.id} proposal={each} unitOf={unitOf} nowUs={nowUs} />
          ))
        )}
      </Panel>
      {ended.length > 0 && (
        <Panel
          title="Decided"
          note={`${count(Math.min(ended.length, ENDED_MAX))} of ${count(ended.length)}, newest first`}
          isFlush
        >
          {ended.slice(0, ENDED_MAX).map((each) => (
            <ProposalCard key={each.id} proposal={each} unitOf={unitOf} nowUs={nowUs} />
          ))}
        </Panel>
      )}
    </>
  );
}
