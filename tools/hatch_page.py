"""The build hook that puts the page into the wheel and the sdist.

It builds the page only where there is none: an sdist carries it, so that a wheel is made from it without
Node. An editable install is left alone, since `make` builds the page for it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the page before the files of a wheel or an sdist are gathered."""

    PLUGIN_NAME = "page"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page if it is missing. Raises PageError where it cannot be built."""
        del build_data
        if version == "editable":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root))
        try:
            from tools.page import STATIC, build
        finally:
            sys.path.pop(0)
        if not (root / STATIC / "index.html").is_file():
            build(root)
