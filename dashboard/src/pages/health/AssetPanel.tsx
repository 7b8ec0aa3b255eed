/** One asset: its index, where each source stands around it, and the numbers of each. */

import { compact, NONE, percent, price, signed } from "../../format/numbers";
import { words } from "../../format/words";
import { Age, Panel, VerdictChip, VerdictShape } from "../../parts";
import type { AssetData, SourceData } from "../../wire";
import { Band } from "./Band";
import { basisPoints } from "./band_places";

export function AssetPanel({ asset }: { asset: AssetData }) {
  return (
    <Panel
      title={asset.asset}
      note={<Index asset={asset} />}
      isFlush
      tools={
        asset.is_protected ? (
          <span className="chip bad">
            <VerdictShape verdict="unfit" />
            protected: {words(asset.condition)}
          </span>
        ) : (
          <VerdictChip verdict={asset.condition} />
        )
      }
    >
      <Band asset={asset} />
      <div className="scroll-x">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Source</th>
              <th scope="col">Kind</th>
              <th scope="col" className="num">
                Weight
              </th>
              <th scope="col" className="num">
                Price
              </th>
              <th scope="col" className="num">
                To index <span className="unit">bp</span>
              </th>
              <th scope="col" className="num">
                Age
              </th>
              <th scope="col">Verdict</th>
            </tr>
          </thead>
          <tbody>
            {asset.sources.map((source) => (
              <Source key={source.source} source={source} index={asset.index_price} />
            ))}
          </tbody>
        </table>
      </div>
      <Facts asset={asset} />
    </Panel>
  );
}

function Index({ asset }: { asset: AssetData }) {
  return (
    <>
      <strong className="num">{price(asset.index_price)}</strong> USD, <Age us={asset.age_us} /> old
    </>
  );
}

function Source({ source, index }: { source: SourceData; index: number | null }) {
  const away = basisPoints(source.price, index);
  return (
    <tr>
      <th scope="row" title={`operator ${source.operator}`}>
        {source.source}
        {source.tier > 1 && <span className="muted"> tier {source.tier}</span>}
      </th>
      <td className="muted">
        {source.kind} in {source.quote}
      </td>
      <td className="num">{source.weight}</td>
      <td className="num">
        {source.price != null && source.price > 0 ? price(source.price) : NONE}
      </td>
      <td className="num">{signed(away, 1)}</td>
      <td className="num">
        <Age us={source.age_us} />
      </td>
      <td>
        <VerdictChip verdict={source.verdict} />
      </td>
    </tr>
  );
}

function Facts({ asset }: { asset: AssetData }) {
  return (
    <dl className="facts">
      <Fact
        name="Age add-on"
        value={percent(asset.age_ppm / 1e6, 2)}
        about="of the initial requirement"
      />
      <Fact name="Realised volatility" value={percent(asset.volatility, 1)} about="a year" />
      <Fact
        name="Implied volatility"
        value={percent(asset.implied_volatility, 1)}
        about={asset.implied_volatility == null ? "no options" : words(asset.implied_condition)}
      />
      <Fact
        name="Depth within 1 %"
        value={
          asset.depth_bid_usd == null
            ? NONE
            : `${compact(asset.depth_bid_usd)} · ${compact(asset.depth_ask_usd)}`
        }
        about={asset.depth_bid_usd == null ? "no book is read" : "USD, bid · ask"}
      />
      {asset.marks.map((mark) => (
        <Fact
          key={mark.instrument}
          name={mark.instrument}
          value={price(mark.mark_price)}
          about={`basis ${signed(mark.basis_ppb / 1e5, 1)} bp, open interest ${compact(mark.open_interest)} ${asset.asset}`}
        />
      ))}
    </dl>
  );
}

function Fact({ name, value, about }: { name: string; value: string; about: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <span className="num">{value}</span> <span className="muted">{about}</span>
      </dd>
    </div>
  );
}
