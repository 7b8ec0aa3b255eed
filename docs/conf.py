"""How the pages are built: Markdown in, one quiet theme out, nothing fetched from anywhere."""

import tomllib
from pathlib import Path

_project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]

project = "Steelyard"
version = release = _project["version"]
copyright = "the Steelyard contributors, Apache-2.0"
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"Steelyard {version}"
html_show_sphinx = False
html_copy_source = False
