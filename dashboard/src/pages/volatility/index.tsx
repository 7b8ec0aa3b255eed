/** Implied volatilities: the surface, the smiles and the term structure of an asset. */

import "./volatility.css";
import { useChannel, useMethod } from "../../data/hooks";
import { Empty, Shown } from "../../parts";
import { Link } from "../../shell/Link";
import type { PageProps } from "../../shell/pages";
import { Asset } from "./Asset";

export default function Volatility({ name }: PageProps) {
  const listed = useMethod("public/get_instruments", { kind: "option" });
  const health = useChannel("health.1000ms").data;
  const withOptions = [...new Set(listed.result?.map((each) => each.base_currency))].sort();
  const all = health?.assets.map((each) => each.asset) ?? [];
  const without = all.filter((asset) => !withOptions.includes(asset));
  const ordered = [...all.filter((asset) => withOptions.includes(asset))];
  for (const asset of withOptions) if (!ordered.includes(asset)) ordered.push(asset);
  const chosen = name || ordered[0] || "";
  return (
    <div className="volatility">
      <h1 className="sr-only">Volatility{chosen && ` of ${chosen}`}</h1>
      <Shown
        data={name ? (listed.result ?? []) : listed.result}
        error={listed.error}
        again={listed.again}
        what="the assets with options"
        lines={14}
      >
        {() => (
          <>
            <nav className="volatility-assets" aria-label="Assets">
              {ordered.map((asset) => (
                <AssetLink key={asset} asset={asset} chosen={chosen} />
              ))}
              {without.length > 0 && listed.result && (
                <span className="muted">without options</span>
              )}
              {listed.result &&
                without.map((asset) => (
                  <AssetLink key={asset} asset={asset} chosen={chosen} isQuiet />
                ))}
            </nav>
            {chosen ? (
              <Asset key={chosen} asset={chosen} />
            ) : (
              <Empty title="No options are listed">
                The venue lists no option on any asset, so there are no implied volatilities.
              </Empty>
            )}
          </>
        )}
      </Shown>
    </div>
  );
}

function AssetLink({
  asset,
  chosen,
  isQuiet = false,
}: {
  asset: string;
  chosen: string;
  isQuiet?: boolean;
}) {
  return (
    <Link
      className={isQuiet ? "button is-quiet" : "button"}
      href={`/volatility/${encodeURIComponent(asset)}`}
      aria-current={asset === chosen ? "page" : undefined}
    >
      {asset}
    </Link>
  );
}
