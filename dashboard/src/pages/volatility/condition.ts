/** Why implied volatilities are believed or doubted, in words. */

const WHY: Record<string, string> = {
  believed: "the fitters agree and nothing jumped",
  jump: "the level jumped; it has to be said again before it is used",
  absurd: "the level is absurdly far from the last that was believed; it is not used",
  disagreement: "the fitters do not agree; the last volatilities that were believed stay",
  none: "no fitter has said anything",
};

export const whyOf = (condition: string): string =>
  WHY[condition] ?? "the last volatilities that were believed stay";
