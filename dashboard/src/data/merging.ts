/** What a change makes of the state before it, for the channels whose changes have parts. */

import type { AccountData, SurfaceData } from "../wire";

/** Smiles by expiry: those that changed replace theirs, those that are gone go. */
export function mergedSurface(
  before: SurfaceData | null,
  message: SurfaceData,
  isSnapshot: boolean,
): SurfaceData {
  if (isSnapshot || !before) return message;
  const smiles = new Map(before.smiles.map((smile) => [smile.expiry_us, smile]));
  for (const smile of message.smiles) smiles.set(smile.expiry_us, smile);
  for (const expiry of message.gone) smiles.delete(expiry);
  const sorted = [...smiles.values()].sort((a, b) => a.expiry_us - b.expiry_us);
  return { ...message, smiles: sorted };
}

/** An account's positions stay where a change has none. */
export function mergedAccount(
  before: AccountData | null,
  message: AccountData,
  isSnapshot: boolean,
): AccountData {
  if (isSnapshot || !before || message.positions) return message;
  return { ...message, positions: before.positions };
}
