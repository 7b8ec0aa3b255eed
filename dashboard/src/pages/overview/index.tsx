/** The overview: what the venue is worth of worry at this moment, on one screen. */

import "./overview.css";
import { useChannel } from "../../data/hooks";
import { Shown } from "../../parts";
import { Events } from "./Events";
import { Figures } from "./Figures";
import { Nearest } from "./Nearest";
import { OverTime } from "./OverTime";
import { Prices } from "./Prices";
import { usePast } from "./past";
import { States } from "./States";

export default function Overview() {
  const { data, word } = useChannel("overview.500ms");
  const past = usePast();
  return (
    <div className="overview">
      <h1 className="sr-only">Overview</h1>
      <Shown data={data} word={word} what="the venue" lines={2}>
        {(venue) => <Figures venue={venue} />}
      </Shown>
      <div className="overview-columns">
        <div className="overview-left">
          <Prices past={past.result} />
          <OverTime past={past} />
        </div>
        <div className="overview-right">
          <States venue={data} word={word} />
          <Nearest />
          <Events />
        </div>
      </div>
    </div>
  );
}
