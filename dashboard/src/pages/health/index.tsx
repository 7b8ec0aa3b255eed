/** Market health: every index with its sources, what is thought of each, and how the engine is doing. */

import "./health.css";
import { useChannel } from "../../data/hooks";
import { Shown } from "../../parts";
import { AssetPanel } from "./AssetPanel";
import { EnginePanel } from "./EnginePanel";
import { SignalsPanel } from "./SignalsPanel";

export default function Health() {
  const { data, word } = useChannel("health.1000ms");
  return (
    <div className="health">
      <h1 className="sr-only">Market health</h1>
      <Shown data={data} word={word} what="the sources of every index" lines={16}>
        {(health) => (
          <>
            <EnginePanel health={health} />
            <div className="health-assets">
              {health.assets.map((asset) => (
                <AssetPanel key={asset.asset} asset={asset} />
              ))}
            </div>
            <SignalsPanel signals={health.signals} />
          </>
        )}
      </Shown>
    </div>
  );
}
