/** Names of the wire as words for people. */

/** margin_call → margin call. */
export function words(name: string): string {
  return name.replaceAll("_", " ");
}

/** margin_call → Margin call. */
export function title(name: string): string {
  const text = words(name);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
