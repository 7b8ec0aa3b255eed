/** The page begins: connect at once, paint at once, whichever is first. */

import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import { createRoot } from "react-dom/client";
import { startVenue } from "./data/venue";
import { prefetch } from "./shell/pages";
import { routeOf } from "./shell/router";
import { Shell } from "./shell/Shell";
import { startTheme } from "./shell/theme";
import { startCondition } from "./shell/useCondition";

startTheme();
prefetch(routeOf(location.pathname).page);
void startVenue();
startCondition();

const place = document.getElementById("page");
if (place) createRoot(place).render(<Shell />);
