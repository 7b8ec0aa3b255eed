/** The parts that pages are made of. */

export { type Column, DataTable, type Sort } from "./DataTable";
export { Dialog } from "./Dialog";
export { axis, EChart, type Palette, tooltip } from "./EChart";
export { SelectField, TextField } from "./Form";
export { Icon, type IconName } from "./Icon";
export { type Figure, KeyFigures } from "./KeyFigures";
export { Empty, ErrorNote, Loading, Shown } from "./Notes";
export { Age, Money, Price, Ratio } from "./Numbers";
export { Panel } from "./Panel";
export { Sparkline } from "./Sparkline";
export { StateChip, StateShape } from "./StateChip";
export { type Tab, Tabs } from "./Tabs";
export { type Columns, type Series, TimeChart } from "./TimeChart";
export { Tooltip } from "./Tooltip";
export { UnitName } from "./UnitName";
export { useSize } from "./useSize";
export { VerdictChip, VerdictShape } from "./VerdictChip";
