/** Every index with each of its sources: price, distance, what is thought of it, and age. */

import { useChannel } from "../../data/hooks";
import { price, signed } from "../../format/numbers";
import { Age, Empty, Panel, Shown, Sparkline, VerdictChip } from "../../parts";
import { Link } from "../../shell/Link";
import type { AssetData, HistoryData, SourceData } from "../../wire";
import { thinned } from "./past";

export function Prices({ past }: { past: HistoryData | null }) {
  const { data, word } = useChannel("health.1000ms");
  return (
    <Panel
      title="Prices"
      note="USD, each index with its sources"
      isFlush
      className="overview-prices"
      tools={<Link href="/health">Market health</Link>}
    >
      <Shown data={data} word={word} what="prices" lines={12}>
        {(health) =>
          health.assets.length === 0 ? (
            <Empty title="No asset has an index" />
          ) : (
            <table className="table prices">
              <thead>
                <tr>
                  <th scope="col">Source</th>
                  <th scope="col" className="num">
                    Price <span className="unit">USD</span>
                  </th>
                  <th scope="col" className="num is-wide">
                    To index <span className="unit">bp</span>
                  </th>
                  <th scope="col">Verdict</th>
                  <th scope="col" className="num">
                    Age
                  </th>
                  <th scope="col" className="num is-wide">
                    Last ten minutes
                  </th>
                </tr>
              </thead>
              {health.assets.map((asset) => (
                <AssetRows
                  key={asset.asset}
                  asset={asset}
                  line={past?.index_prices[asset.asset] ?? null}
                />
              ))}
            </table>
          )
        }
      </Shown>
    </Panel>
  );
}

function AssetRows({ asset, line }: { asset: AssetData; line: (number | null)[] | null }) {
  return (
    <tbody>
      <tr className="prices-asset">
        <th scope="rowgroup">{asset.asset}</th>
        <td className="num">{price(asset.index_price)}</td>
        <td className="num is-wide muted">{band(asset)}</td>
        <td>
          {asset.is_protected ? (
            <span className="bad">protected: {asset.condition}</span>
          ) : (
            <VerdictChip verdict={asset.condition} />
          )}
        </td>
        <td className="num">
          <Age us={asset.age_us} />
        </td>
        <td className="num is-wide prices-line">
          {line && (
            <Sparkline
              label={`${asset.asset} index price`}
              values={thinned(line.slice(-600), 110)}
              width={112}
              height={20}
              format={price}
            />
          )}
        </td>
      </tr>
      {asset.sources.map((source) => (
        <SourceRow key={source.source} source={source} index={asset.index_price} />
      ))}
    </tbody>
  );
}

/** How far apart the sources that are used stand, in basis points. */
function band(asset: AssetData): string {
  const { index_low: low, index_high: high, index_price: middle } = asset;
  if (low == null || high == null || !middle) return "";
  return `±${(((high - low) / middle / 2) * 1e4).toFixed(1)}`;
}

function SourceRow({ source, index }: { source: SourceData; index: number | null }) {
  const isKnown = source.price != null && source.price > 0;
  const away = isKnown && index ? ((source.price as number) / index - 1) * 1e4 : null;
  const tone = source.verdict === "used" ? undefined : "muted";
  return (
    <tr className="prices-source">
      <td>
        {source.source}
        {source.quote !== "USD" && <span className="unit"> in {source.quote}</span>}
      </td>
      <td className={`num ${tone ?? ""}`}>{isKnown ? price(source.price) : "–"}</td>
      <td className={`num is-wide ${tone ?? ""}`}>{signed(away, 1)}</td>
      <td>
        <VerdictChip verdict={source.verdict} />
      </td>
      <td className="num">
        <Age us={isKnown ? source.age_us : null} />
      </td>
      <td className="is-wide" />
    </tr>
  );
}
