/** A link within the page: it goes without loading anew, and opens as any link with a modifier. */

import type { AnchorHTMLAttributes, MouseEvent } from "react";
import { navigate } from "./router";

export function Link({
  href,
  onClick,
  ...rest
}: { href: string } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    const isOwn = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    if (!isOwn || event.defaultPrevented) return;
    event.preventDefault();
    navigate(href);
  };
  return <a href={href} onClick={follow} {...rest} />;
}
