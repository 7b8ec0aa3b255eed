/** Route of this page; its panels are still to come. */

import { Empty } from "../../parts";
import type { PageProps } from "../../shell/pages";

export default function Page({ name }: PageProps) {
  return <Empty title="This page is being built">{name}</Empty>;
}
