"""The page: built files, served from memory, under a policy that lets nothing else run.

Vite names its assets by their content, so those are kept by a browser for a year; `index.html` is asked for
anew each time. A path that names no file and has no dot is a place of the page and gets `index.html`; a missing
file is a 404. Files that were packed beside (`.br`, `.gz`) are sent to whoever takes them. Without a build there is a
plain page that says how to make one.
"""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from pathlib import Path
from typing import Any, NamedTuple

from steelyard.service.web.guards import SAFE, Header, page_policy
from steelyard.service.web.settings import Settings

INDEX = "/index.html"
FILE_BYTES_MAX = 32 << 20
ALL_BYTES_MAX = 256 << 20
_PACKED = {".br": "br", ".gz": "gzip"}
_HASHED = re.compile(r".*/assets/.*[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+")
_STYLE = re.compile(rb"<style[^>]*>(.*?)</style>", re.DOTALL)
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm",
          ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}  # fmt: skip
NOT_BUILT = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Steelyard: the page is not built</title></head>
<body><h1>The page is not built</h1>
<p>This service runs from a checkout without the built page. The API answers at <code>/api/v2</code> and
<code>/ws/api/v2</code>.</p>
<p>Build the page with <code>make page</code> (it needs Node), then start the service again. An installed
package has the page in it.</p></body></html>
"""


class File(NamedTuple):
    """A file as it is sent: its bytes by encoding ("" is as it is), type, name for caches."""

    bodies: dict[str, bytes]
    kind: str
    tag: str
    is_immutable: bool


class Page:
    """The files below a folder, read once."""

    def __init__(self, settings: Settings) -> None:
        self.files = _files(settings.static)
        index = self.files.get(INDEX)
        inline = _STYLE.findall(index.bodies[""]) if index is not None else []
        self._styles = (*settings.style_hashes, *map(style_hash, inline))
        if index is None:
            self.files[INDEX] = File({"": NOT_BUILT}, "text/html", _tag(NOT_BUILT), False)

    @property
    def is_built(self) -> bool:
        """Return whether the folder has a page."""
        return self.files[INDEX].bodies[""] is not NOT_BUILT

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Answer a request for a file."""
        if scope["method"] not in ("GET", "HEAD"):
            await _send(send, 405, ((b"allow", b"GET, HEAD"),), b"read only\n", False)
            return
        asked = dict(scope["headers"])
        is_head = scope["method"] == "HEAD"
        path = scope["path"]
        file = self.files.get(path)
        if file is None and "." not in path.rpartition("/")[2]:
            path, file = INDEX, self.files[INDEX]
        if file is None:
            await _send(send, 404, (), b"there is no such file\n", is_head)
            return
        encoding = _encoding(asked.get(b"accept-encoding", b""), file)
        body = file.bodies[encoding]
        tag = f'"{file.tag}{"-" + encoding if encoding else ""}"'.encode()
        headers: list[Header] = [
            (b"etag", tag),
            (b"vary", b"accept-encoding"),
            (
                b"cache-control",
                b"public, max-age=31536000, immutable" if file.is_immutable else b"no-cache",
            ),
            (b"content-type", _content_type(file.kind)),
        ]
        if path == INDEX:
            host = asked.get(b"host", b"")
            headers.append((b"content-security-policy", page_policy(host, self._styles)))
        if encoding:
            headers.append((b"content-encoding", encoding.encode()))
        if tag in asked.get(b"if-none-match", b"").replace(b"W/", b"").split(b", "):
            await _send(send, 304, tuple(headers), b"", True)
            return
        await _send(send, 200, tuple(headers), body, is_head)


def style_hash(text: bytes) -> str:
    """Return the hash by which a policy permits a style written in a page (CSP 3, hash-source).

    >>> style_hash(b"")
    'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(text).digest()).decode()


async def _send(
    send: Any, status: int, headers: tuple[Header, ...], body: bytes, is_head: bool
) -> None:
    names = {name for name, _ in headers}
    more = [each for each in SAFE if each[0] not in names]
    if status in (404, 405):
        more.append((b"content-type", b"text/plain; charset=utf-8"))
    if status != 304:
        more.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": b"" if is_head else body})


def _files(folder: Path) -> dict[str, File]:
    """Return the files of a folder by their paths; none where there is no index."""
    if not (folder / "index.html").is_file():
        return {}
    found: dict[str, File] = {}
    held = 0
    root = folder.resolve()
    for path in sorted(root.rglob("*")):
        is_packed = path.suffix in _PACKED and path.with_suffix("").is_file()
        if is_packed or not path.is_file() or root not in path.resolve().parents:
            continue
        size = path.stat().st_size
        held += size
        if size > FILE_BYTES_MAX or held > ALL_BYTES_MAX:
            continue
        name = "/" + path.relative_to(root).as_posix()
        bodies = {"": path.read_bytes()}
        for suffix, encoding in _PACKED.items():
            packed = path.with_name(path.name + suffix)
            if packed.is_file():
                bodies[encoding] = packed.read_bytes()
        kind = (
            _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        )
        found[name] = File(bodies, kind, _tag(bodies[""]), _HASHED.fullmatch(name) is not None)
    return found


def _tag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:24]


def _content_type(kind: str) -> bytes:
    is_text = kind.startswith("text/") or kind in ("application/json", "image/svg+xml")
    return f"{kind}; charset=utf-8".encode() if is_text else kind.encode()


def _encoding(accepted: bytes, file: File) -> str:
    """Return the smallest encoding that is there and accepted, "" for none."""
    taken = set()
    for part in accepted.decode("latin-1").lower().split(","):
        name, _, quality = part.partition(";")
        if quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            taken.add(name.strip())
    known = [name for name in file.bodies if name and (name in taken or "*" in taken)]
    return min(known, key=lambda name: len(file.bodies[name]), default="")
