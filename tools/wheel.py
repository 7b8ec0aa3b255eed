"""Build the wheel and try it as a user without Node and without a compiler has it: python -m tools.wheel.

A new environment gets the wheel with its extra `service` and nothing that would have to be built. Then, with
nothing on the path but that environment, `steelyard serve` is started, and its page, one file of it and the API are
asked. Prints what it took; an exit status that is not 0 says that something did not come.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS_OF_BUILDING = ("node", "npm", "cc", "gcc", "clang", "g++", "rustc", "make")
DOCUMENT = '[accounts]\nsource = "population:100"\n[server]\nport = 0\n[rewind]\nis_on = false\n'


def said(what: str, begun: float) -> None:
    """Print what was done and how long it took."""
    print(f"wheel: {what}, {time.monotonic() - begun:.0f} s", flush=True)


def built(folder: Path) -> Path:
    """Return the wheel of this tree."""
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), "."]
    subprocess.run(words, cwd=ROOT, check=True)
    [wheel] = folder.glob("steelyard-*.whl")
    return wheel


def bare_environment(folder: Path) -> dict[str, str]:
    """Return an environment whose path holds one folder and no tool of building."""
    place = folder / "bin"
    kept = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_", "LANG"))}
    bare = kept | {"PATH": str(place), "HOME": os.environ.get("HOME", str(folder))}
    found = [name for name in TOOLS_OF_BUILDING if shutil.which(name, path=bare["PATH"])]
    assert not found, found
    return bare


def try_serving(bare: dict[str, str], python: Path, folder: Path) -> None:
    """Serve, and ask for the page, for a script of it and for an index price."""
    (folder / "serve.toml").write_text(DOCUMENT, encoding="utf-8")
    words = [str(python), "-m", "steelyard.cli.app", "serve", "serve.toml", "--json"]
    process = subprocess.Popen(words, cwd=folder, env=bare, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        origin = told["page"].partition("/#")[0]

        def asked(path: str) -> str:
            with urllib.request.urlopen(f"{origin}{path}", timeout=30) as answer:
                return str(answer.read().decode())

        script = re.search(r'src="(/assets/[^"]+\.js)"', asked("/"))
        assert script is not None, "the page has no script"
        assert len(asked(script[1])) > 10_000
        price = json.loads(asked("/api/v2/public/get_index_price?index_name=btc_usd"))
        assert price["result"]["index_price"] > 0.0
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def main() -> None:
    """Build, install, serve."""
    with tempfile.TemporaryDirectory(prefix="steelyard-wheel-") as name:
        folder, begun = Path(name), time.monotonic()
        wheel = built(folder)
        said(f"{wheel.name} of {wheel.stat().st_size / 1e6:.1f} MB is built", begun)
        begun = time.monotonic()
        venv.create(folder / "environment", with_pip=True)
        bare, python = bare_environment(folder / "environment"), folder / "environment/bin/python"
        words = [str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
        subprocess.run([*words, f"{wheel}[service]"], env=bare, check=True)
        said("it is installed without Node and without a compiler", begun)
        begun = time.monotonic()
        try_serving(bare, python, folder)
        said("it serves its page and its API from a first start, kernels compiled", begun)


if __name__ == "__main__":
    main()
