"""The documentation is true: links lead somewhere, commands exist, pages build."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:|#)(?P<target>[^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"```.*?```|`[^`\n]+`|^ {4}\S.*$", re.DOTALL | re.MULTILINE)
MAKE = re.compile(r"\bmake (?:[A-Z]+=\S+ )*(?P<target>[a-z][a-z-]*)")
COMMAND = re.compile(r"(?:^|[`$]\s*|\bbin/|^\s+)steelyard (?P<command>[a-z][a-z-]*)", re.MULTILINE)


def pages() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "specs").glob("*.md"), *(ROOT / "bench").glob("*.md")]
    return sorted(found + [p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts])


def broken_links(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [m["target"] for m in LINK.finditer(text) if not (page.parent / m["target"]).exists()]


def named(pattern: re.Pattern[str], group: str) -> set[str]:
    text = "\n".join(
        code for page in pages() for code in CODE.findall(page.read_text(encoding="utf-8"))
    )
    return {found[group] for found in pattern.finditer(text)}


def test_HOUS_011_links_lead_somewhere() -> None:
    broken = {
        str(page.relative_to(ROOT)): links for page in pages() if (links := broken_links(page))
    }
    assert broken == {}


def test_HOUS_011_planted_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "[here](page.md#top) [away](gone.md) [web](https://a.example/b.md)", encoding="utf-8"
    )
    assert broken_links(page) == ["gone.md"]


def test_HOUS_011_records_are_numbered_without_gaps_and_complete() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [int(r.name[:4]) for r in records] == list(range(len(records)))
    for record in records:
        titles = re.findall(r"^## (.*)$", record.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert titles == ["Context", "Decision", "What it costs", "When to look again"], record.name


def test_HOUS_012_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))
    missing = named(MAKE, "target") - targets
    assert {"demo", "test", "lint", "bench", "docs"} <= named(MAKE, "target")
    assert missing == set()


def test_HOUS_012_commands_exist() -> None:
    commands = named(COMMAND, "command")
    assert {"demo", "run", "explain", "replay", "margin", "doctor"} <= commands
    script = Path(sysconfig.get_path("scripts")) / "steelyard"
    for command in sorted(commands):
        result = subprocess.run([str(script), command, "--help"], capture_output=True, check=False)
        assert result.returncode == 0, f"the documentation names `steelyard {command}`"
    result = subprocess.run([str(script), "no-such-command"], capture_output=True, check=False)
    assert result.returncode == 2


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-b", "html"]
    return subprocess.run(
        [*command, str(source), str(target)], capture_output=True, text=True, check=False
    )


def test_HOUS_013_pages_build_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    result = build(ROOT / "docs", tmp_path / "html")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "html" / "index.html").exists()


def test_HOUS_013_planted_warning_is_found(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "conf.py").write_text('extensions = ["myst_parser"]\n', encoding="utf-8")
    (docs / "index.md").write_text("# Title\n\n[away](gone.md)\n", encoding="utf-8")
    result = build(docs, tmp_path / "html")
    assert result.returncode != 0
    assert "gone.md" in result.stderr
