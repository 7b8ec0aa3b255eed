/** No page has this address. */

import { Empty } from "../../parts";
import { Link } from "../../shell/Link";
import type { PageProps } from "../../shell/pages";

export default function Unknown(_props: PageProps) {
  return (
    <Empty title="No page has this address">
      <Link href="/">Go to the overview</Link>
    </Empty>
  );
}
