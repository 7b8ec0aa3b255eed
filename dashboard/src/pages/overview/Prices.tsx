/** Every index with each of its sources: price, distance, what is thought of it, and age. */

import { useChannel } from "../../data/hooks";
import { toneOf } from "../../data/verdicts";
import { fixed, NONE, price, signed } from "../../format/numbers";
import { words } from "../../format/words";
import { Age, Empty, Panel, Shown, Sparkline, VerdictChip, VerdictShape } from "../../parts";
import { Link } from "../../shell/Link";
import type { AssetData, HistoryData, SourceData } from "../../wire";
import { thinned } from "./past";

export function Prices({ past }: { past: HistoryData | null }) {
  const { data, word } = useChannel("health.1000ms");
  return (
    <Panel
      title="Prices"
      note="USD; each index with its band, condition, age and sources"
      isFlush
      className="overview-prices"
      tools={<Link href="/health">Market health</Link>}
    >
      <Shown data={data} word={word} what="prices" lines={12}>
        {(health) =>
          health.assets.length === 0 ? (
            <Empty title="No asset has an index" />
          ) : (
            <ul className="prices">
              {health.assets.map((asset) => (
                <Asset
                  key={asset.asset}
                  asset={asset}
                  line={past?.index_prices[asset.asset] ?? null}
                />
              ))}
            </ul>
          )
        }
      </Shown>
    </Panel>
  );
}

function Asset({ asset, line }: { asset: AssetData; line: (number | null)[] | null }) {
  const spread = band(asset);
  const hasLongNames = asset.sources.some(({ source }) => source.length > 6);
  return (
    <li className="asset">
      <h3 className="asset-name">{asset.asset}</h3>
      <span className="asset-price num">{price(asset.index_price)}</span>
      <span className="asset-line">
        {line && (
          <Sparkline
            label={`${asset.asset} index price`}
            values={thinned(line.slice(-600), 110)}
            width={104}
            height={20}
            format={price}
          />
        )}
      </span>
      <span className="asset-verdict">
        {asset.is_protected ? (
          <span className="chip bad">
            <VerdictShape verdict="unfit" />
            protected: {words(asset.condition)}
          </span>
        ) : (
          <VerdictChip verdict={asset.condition} />
        )}
      </span>
      <span className="asset-band num muted">{spread && `± ${spread} bp`}</span>
      <span className="asset-age num">
        <Age us={asset.age_us} />
      </span>
      <ul
        className={`sources${hasLongNames ? " is-wide" : ""}`}
        aria-label={`Sources of ${asset.asset}`}
      >
        {asset.sources.map((source) => (
          <Source key={source.source} source={source} index={asset.index_price} />
        ))}
      </ul>
    </li>
  );
}

/** How far apart the sources that are used stand, in basis points. */
function band(asset: AssetData): string {
  const { index_low: low, index_high: high, index_price: middle } = asset;
  if (low == null || high == null || !middle) return "";
  return fixed(((high - low) / middle / 2) * 1e4, 1);
}

/** A source that is used shows its age, any other the word for why it is not. */
function Source({ source, index }: { source: SourceData; index: number | null }) {
  const isKnown = source.price != null && source.price > 0;
  const away = isKnown && index ? ((source.price as number) / index - 1) * 1e4 : null;
  const isUsed = source.verdict === "used";
  const about = `${source.operator}, in ${source.quote}; ${words(source.verdict)}; ${signed(away, 1)} bp to the index`;
  return (
    <li className="source" title={about}>
      <VerdictShape verdict={source.verdict} />
      <span className="source-name">{source.source}</span>
      <span className={`num${isUsed ? "" : " muted"}`}>{isKnown ? price(source.price) : NONE}</span>
      <span className="source-age num">
        {isUsed ? (
          <>
            <span className="sr-only">used, </span>
            <Age us={source.age_us} />
          </>
        ) : (
          <span className={toneOf(source.verdict)}>{words(source.verdict)}</span>
        )}
      </span>
    </li>
  );
}
