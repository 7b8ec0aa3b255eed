/** Time travel: a scrubber over the whole journal, and what the venue was at the instant that is chosen. */

import "../overview/overview.css";
import "./time.css";
import { useCallback, useEffect, useMemo, useState } from "react";
import { useAsOf, useCell, useChannel } from "../../data/hooks";
import { instantFailure } from "../../data/venue";
import { Panel, Shown } from "../../parts";
import { goToInstant } from "../../shell/router";
import type { HistoryData, JournalMark, JournalSpan } from "../../wire";
import { Events } from "../overview/Events";
import { Figures } from "../overview/Figures";
import { Nearest } from "../overview/Nearest";
import { Prices } from "../overview/Prices";
import { States } from "../overview/States";
import { Controls } from "./Controls";
import { Jump } from "./Jump";
import { Marks } from "./Marks";
import { useOfNow } from "./now";
import { Readout } from "./Readout";
import { Since } from "./Since";
import { Slider } from "./Slider";
import { Strip, useStrip } from "./Strip";
import { clamp, markBeside, scaleOf, seqNear } from "./scale";
import { usePlaying, useTravel } from "./travel";

const SPAN_EVERY_MS = 5_000;
const MINUTE_US = 60_000_000;

export default function Time() {
  const span = useOfNow("private/get_journal_span", SPAN_EVERY_MS);
  const past = useOfNow("private/get_history", SPAN_EVERY_MS);
  const now = useOfNow("public/get_transparency", SPAN_EVERY_MS);
  const { data: venue, word } = useChannel("overview.500ms");
  return (
    <div className="time">
      <h1 className="sr-only">Time travel</h1>
      <Shown data={span.result} error={span.error} again={span.again} what="the journal" lines={8}>
        {(found) => (
          <Shown data={past.result} error={past.error} again={past.again} what="history" lines={8}>
            {(history) => <Scrubber span={found} past={history} />}
          </Shown>
        )}
      </Shown>
      <Shown data={venue} word={word} what="the venue" lines={2}>
        {(data) => <Figures venue={data} />}
      </Shown>
      <div className="overview-columns">
        <div className="overview-left">
          <Prices past={null} />
          <Since now={now} />
        </div>
        <div className="overview-right">
          <States venue={venue} word={word} />
          <Nearest />
          <Events />
        </div>
      </div>
    </div>
  );
}

function Scrubber({ span, past }: { span: JournalSpan; past: HistoryData }) {
  const asOf = useAsOf();
  const { data: health } = useChannel("health.1000ms");
  const { wished, going, wish } = useTravel();
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [speed, setSpeed] = useState<number | null>(null);
  const strip = useStrip(past);
  const scale = useMemo(() => scaleOf(span, past), [span, past]);
  const marks = useMemo(
    () => span.marks.filter((mark) => !hidden.has(mark.kind)),
    [span.marks, hidden],
  );
  const seq = clamp(wished ?? asOf ?? span.last_seq, span.first_seq, span.last_seq);
  const stop = useCallback(() => setSpeed(null), []);
  usePlaying(speed, seq, scale, wish, stop);
  const failure = useCell(instantFailure);
  useEffect(() => {
    if (failure !== null || asOf === null) setSpeed(null);
  }, [failure, asOf]);

  const wishByHand = (to: number) => {
    stop();
    wish(to);
  };
  const goToMark = (mark: JournalMark | null) => {
    stop();
    if (mark) goToInstant(mark.seq);
  };
  const play = (wanted: number | null) => {
    // From now there is nothing ahead: what a minute of playing shows is played.
    if (wanted !== null && asOf === null) wish(seqNear(scale, span.last_us - wanted * MINUTE_US));
    setSpeed(wanted);
  };
  return (
    <div className="time-columns">
      <Panel
        title="The journal"
        note="the whole of it, UTC"
        className="time-scrubber"
        isLive={false}
        tools={
          <>
            {strip.assets.map((each) => (
              <button
                key={each}
                type="button"
                className="button is-quiet"
                aria-pressed={each === strip.asset}
                onClick={() => strip.setAsset(each)}
              >
                {each}
              </button>
            ))}
            <span className="tools-apart" />
            <button
              type="button"
              className="button is-quiet"
              aria-pressed={strip.beside === "fund"}
              onClick={() => strip.setBeside("fund")}
            >
              Fund
            </button>
            <button
              type="button"
              className="button is-quiet"
              aria-pressed={strip.beside === "danger"}
              onClick={() => strip.setBeside("danger")}
            >
              Units in danger
            </button>
          </>
        }
      >
        <Strip span={span} past={past} asset={strip.asset} beside={strip.beside} />
        <Slider span={span} scale={scale} seq={seq} isNow={asOf === null} onWish={wishByHand} />
        <Controls
          span={span}
          seq={seq}
          speed={speed}
          before={markBeside(marks, seq, -1)}
          after={markBeside(marks, seq, 1)}
          onWish={wishByHand}
          onMark={goToMark}
          onPlay={play}
        />
        <div className="time-foot">
          <Readout span={span} scale={scale} seq={seq} going={going} health={health} />
          <Jump span={span} />
        </div>
      </Panel>
      <Marks
        span={span}
        marks={marks}
        hidden={hidden}
        seq={seq}
        onToggle={(kind) =>
          setHidden((before) => {
            const after = new Set(before);
            if (!after.delete(kind)) after.add(kind);
            return after;
          })
        }
      />
    </div>
  );
}
