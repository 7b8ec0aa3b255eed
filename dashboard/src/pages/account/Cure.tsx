/** The cheapest ways back: a deposit, a smaller book, single trades; each was tried by the engine. */

import { useContext, useEffect, useRef, useState } from "react";
import { compact, count, exact, fixed, ratio, signed } from "../../format/numbers";
import { Empty, ErrorNote, SelectField } from "../../parts";
import type { CuresView, DepositView, TradeView } from "../../wire";
import { toNumber } from "./amounts";
import { useOnDemand } from "./asking";
import { useIsSeen } from "./Section";
import { isInWant, PutIntoTicket, useUnit } from "./unit";
import { Progress } from "./Wait";
import type { Level } from "./waterfall";

const WANTED = ["1", "1.05", "1.1", "1.25", "1.5", "2"] as const;
const TRADES = 6;
const DEPOSITS = 4;

export function Cure() {
  const { unit, told } = useUnit();
  const { state } = told.account;
  const isSeen = useIsSeen();
  const [level, setLevel] = useState<Level>("initial");
  const [wanted, setWanted] = useState<string>("1");
  const cure = useOnDemand("private/cure", { account: unit, level, wanted: Number(wanted) });
  const begun = useRef("");
  const { ask: start, isAsking, result } = cure;
  const isUncovered =
    toNumber(told.account.initial_balance) < toNumber(told.account.initial_requirement);
  const isWanting = isInWant(state) || isUncovered;
  useEffect(() => {
    // A unit in want is searched for at once, and again when its state deepens; not at each tick.
    const question = `${unit} ${level} ${wanted} ${state} ${isUncovered}`;
    if (!isSeen || !isWanting || begun.current === question) return;
    begun.current = question;
    start();
  }, [isSeen, isWanting, isUncovered, unit, level, wanted, state, start]);
  return (
    <>
      <form
        className="account-tools is-fields"
        onSubmit={(event) => {
          event.preventDefault();
          start();
        }}
      >
        <SelectField
          label="Bring back to"
          value={wanted}
          onChange={(event) => setWanted(event.target.value)}
          options={WANTED.map((each) => ({ value: each, text: `ratio ${fixed(Number(each), 2)}` }))}
        />
        <SelectField
          label="of the requirement"
          value={level}
          onChange={(event) => setLevel(event.target.value as Level)}
          options={[
            { value: "maintenance", text: "maintenance" },
            { value: "initial", text: "initial" },
          ]}
        />
        <button type="submit" className="button" disabled={isAsking}>
          {result ? "Search again" : "Search cures"}
        </button>
      </form>
      {isAsking && cure.askedAtMs !== null && (
        <Progress
          what="Trying deposits, closings and trades"
          sinceMs={cure.askedAtMs}
          waitsUntilMs={cure.waitsUntilMs}
          onCancel={cure.cancel}
        />
      )}
      {cure.error && <ErrorNote error={cure.error} again={start} />}
      {result ? (
        <Cures cures={result.cures} seq={result.as_of_seq} />
      ) : (
        !isAsking &&
        !cure.error && (
          <p className="muted account-pad">
            {isWanting
              ? "The search was left. It tries every instrument, so it is not run at each tick."
              : "The unit is in want of nothing. A search tries every instrument, so it is run when asked for."}
          </p>
        )
      )}
    </>
  );
}

function Cures({ cures, seq }: { cures: CuresView; seq: number }) {
  const put = useContext(PutIntoTicket);
  const { told } = useUnit();
  const deposits = cures.deposits.filter((each) => each.amount !== null);
  const trades = cures.trades.slice(0, TRADES);
  const { reduction } = cures;
  return (
    <div className="cures">
      <p className="account-say" data-testid="cure">
        {cures.is_cured && cures.ratio === null ? (
          <>Nothing is required, and so nothing is wanted.</>
        ) : cures.is_cured ? (
          <>
            The ratio to the {cures.level} requirement is <strong>{ratio(cures.ratio)}</strong>:
            nothing is wanted.
          </>
        ) : (
          <>
            From <strong>{ratio(cures.ratio)}</strong> to <strong>{fixed(cures.wanted, 2)}</strong>{" "}
            of the {cures.level} requirement. {cures.cheapest && <>{sentence(cures.cheapest)} </>}
            {cures.reason && <span className="muted">{sentence(cures.reason)}</span>}
          </>
        )}
      </p>
      {deposits.length > 0 && <Deposits deposits={deposits} />}
      {reduction && reduction.legs.length > 0 && (
        <Trades
          title="Close positions"
          note={`the fewest closings; or keep ${keptText(reduction.kept)} of every position (ratio ${ratio(reduction.ratio_after)})`}
          trades={reduction.legs}
          all={
            reduction.legs.length > 1
              ? () =>
                  put(reduction.legs.map(({ instrument, quantity }) => ({ instrument, quantity })))
              : null
          }
        />
      )}
      {trades.length > 0 && (
        <Trades
          title="One trade"
          note={`each alone is enough, cheapest by ${cures.ranked_by} first; ${count(cures.tried)} tried`}
          trades={trades}
          all={null}
        />
      )}
      {!cures.is_cured && deposits.length + trades.length === 0 && (
        <Empty title="No cure was found">
          {cures.reason || "Nothing that was tried is enough."}
        </Empty>
      )}
      <p className="muted account-pad">
        As of event {count(seq)}
        {told.as_of_seq > seq && `, ${count(told.as_of_seq - seq)} events ago`}; costs count the
        fee.
      </p>
    </div>
  );
}

const keptText = (kept: string | null): string =>
  kept === null ? "none" : `${fixed(Number(kept) * 100, 1)} %`;

const sentence = (text: string): string => {
  const said = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return /[.!?]$/.test(said) ? said : `${said}.`;
};

function Deposits({ deposits }: { deposits: readonly DepositView[] }) {
  return (
    <section>
      <h3>Deposit</h3>
      <div className="scroll-x">
        <table className="table">
          <caption className="sr-only">The least deposit of each asset that cures</caption>
          <thead>
            <tr>
              <th scope="col">Asset</th>
              <th scope="col" className="num">
                Amount
              </th>
              <th scope="col" className="num">
                Worth <span className="unit">USDC</span>
              </th>
              <th scope="col" className="num">
                Ratio after
              </th>
            </tr>
          </thead>
          <tbody>
            {deposits.slice(0, DEPOSITS).map((each) => (
              <tr key={each.asset}>
                <th scope="row">{each.asset}</th>
                <td className="num">{exact(each.amount)}</td>
                <td className="num">{fixed(toNumber(each.value), 2)}</td>
                <td className="num">{ratio(each.ratio_after)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Trades({
  title,
  note,
  trades,
  all,
}: {
  title: string;
  note: string;
  trades: readonly TradeView[];
  all: (() => void) | null;
}) {
  const put = useContext(PutIntoTicket);
  return (
    <section>
      <h3>
        {title} <span className="panel-note">{note}</span>
      </h3>
      <div className="scroll-x">
        <table className="table">
          <caption className="sr-only">{title}</caption>
          <thead>
            <tr>
              <th scope="col">Instrument</th>
              <th scope="col" className="num">
                Quantity
              </th>
              <th scope="col" className="num is-wide">
                Notional <span className="unit">USDC</span>
              </th>
              <th scope="col" className="num is-wide">
                Cost <span className="unit">USDC</span>
              </th>
              <th scope="col" className="num">
                Ratio after
              </th>
              <th scope="col">
                <span className="sr-only">Try</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {trades.map((trade) => (
              <tr key={trade.instrument}>
                <th scope="row" className="positions-name">
                  {trade.instrument}
                </th>
                <td className="num">{signedText(trade.quantity)}</td>
                <td className="num is-wide">{compact(trade.notional)}</td>
                <td className="num is-wide">{fixed(trade.cost, 2)}</td>
                <td className="num">{ratio(trade.ratio_after)}</td>
                <td className="num">
                  <button
                    type="button"
                    className="button is-small"
                    aria-label={`Try ${trade.quantity} ${trade.instrument} in the ticket`}
                    onClick={() =>
                      put([{ instrument: trade.instrument, quantity: trade.quantity }])
                    }
                  >
                    Try
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {all && (
        <button type="button" className="button is-quiet" onClick={all}>
          Try all {trades.length} together
        </button>
      )}
    </section>
  );
}

function signedText(text: string): string {
  const digits = text.split(".")[1]?.replace(/0+$/, "").length ?? 0;
  return signed(Number(text), digits);
}
