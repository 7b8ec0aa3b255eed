/** The band of an index: a line in basis points, a mark for each source, shaped and coloured by its verdict. */

import { fixed, signed } from "../../format/numbers";
import { words } from "../../format/words";
import { VerdictShape } from "../../parts";
import type { AssetData } from "../../wire";
import { basisPoints, placesOf, reachOf } from "./band_places";

export function Band({ asset }: { asset: AssetData }) {
  if (asset.index_price == null || asset.index_price <= 0) {
    return <p className="band-none muted">No index yet: no source has a price that counts.</p>;
  }
  const reach = reachOf(asset);
  const places = placesOf(asset, reach);
  const low = basisPoints(asset.index_low, asset.index_price);
  const high = basisPoints(asset.index_high, asset.index_price);
  const at = (away: number) => `${(50 + (away / reach) * 50).toFixed(2)}%`;
  return (
    <div className="band" role="img" aria-label={toldBand(asset)}>
      <div className="band-line">
        {low != null && high != null && (
          <i
            className="band-used"
            style={{
              left: at(Math.max(low, -reach)),
              right: `calc(100% - ${at(Math.min(high, reach))})`,
            }}
          />
        )}
        <i className="band-middle" />
        {places.map((place) => (
          <span
            key={place.source}
            className="band-mark"
            style={{ left: `${(place.share * 100).toFixed(2)}%` }}
            title={`${place.source}: ${signed(place.away, 1)} bp, ${words(place.verdict)}`}
          >
            <VerdictShape verdict={place.verdict} />
          </span>
        ))}
      </div>
      <div className="band-axis num" aria-hidden="true">
        <span>{signed(-reach, reach < 10 ? 1 : 0)}</span>
        <span>index, bp</span>
        <span>{signed(reach, reach < 10 ? 1 : 0)}</span>
      </div>
    </div>
  );
}

function toldBand(asset: AssetData): string {
  const told = placesOf(asset, reachOf(asset)).map(
    (place) => `${place.source} ${signed(place.away, 1)} basis points, ${words(place.verdict)}`,
  );
  return `Sources around the index of ${asset.asset} at ${fixed(asset.index_price, 2)} USD: ${told.join("; ")}`;
}
