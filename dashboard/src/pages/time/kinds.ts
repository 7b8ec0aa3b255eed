/** The kinds of marks, in the order of their lanes. */

export const KINDS = [
  { kind: "liquidation", name: "Full liquidations" },
  { kind: "reduction", name: "Reductions" },
  { kind: "debt", name: "Bad debts" },
  { kind: "protection", name: "Protections" },
  { kind: "method", name: "Method changes" },
] as const;
