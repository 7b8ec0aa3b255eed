"""The same bits for every split of a batch, on every processor target, and from no stale cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llvmlite.binding import get_host_cpu_features

from steelyard.quantities.errors import InvariantError
from steelyard.valuation import self_check
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.greeks import black76_greeks

PACKAGE = Path(self_check.__file__).parent.parent
# Of Black-Scholes-Merton and of the coin-settled Greeks, which no decision rests on yet.
PINNED_RATES_DIGEST = "a9c4eb5654d5bd37c10a42c914642cdd"
NO_VECTORS = "-avx,-avx2,-fma,-avx512f"
# Processor name and features; an empty name is the machine itself.
TARGETS = {
    "generic": ("generic", NO_VECTORS),
    "nehalem": ("nehalem", f"+sse4.2,{NO_VECTORS}"),
    "haswell": ("haswell", "+avx,+avx2,+fma,+bmi,+bmi2,-avx512f"),
    "skylake-avx512": (
        "skylake-avx512",
        "+avx,+avx2,+fma,+avx512f,+avx512dq,+avx512bw,+avx512vl,+avx512cd,-prefer-256-bit",
    ),
    "host": ("", ""),
}
NEEDS = {
    "haswell": ("avx2", "fma"),
    "skylake-avx512": ("avx512f", "avx512dq", "avx512bw", "avx512vl"),
}
RATES_DIGEST = """
from hashlib import blake2b
import numpy as np
from steelyard.valuation import self_check
from steelyard.valuation.black_scholes import black_scholes
from steelyard.valuation.conventions import coin_greeks

def rates_digest():
    is_call, forward, strike, volatility, time_years = options = self_check.sample_options()
    rate, dividend = (0.3 * self_check.spread(forward.size, n) - 0.1 for n in (90_000, 100_000))
    found = [*black_scholes(is_call, forward, strike, rate, dividend, volatility, time_years)]
    digest = blake2b(digest_size=16)
    for values in [*found, *coin_greeks(*options)]:
        digest.update(np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes())
    return digest.hexdigest()
"""
CHILD = (
    RATES_DIGEST
    + """
import json, re
from steelyard.valuation.black76 import fill_prices
from steelyard.valuation.self_check import kernel_fingerprint
code = "".join(fill_prices.inspect_asm().values())
body = code[code.index("fill_prices"):]
print(json.dumps({
    "fingerprint": kernel_fingerprint(),
    "rates": rates_digest(),
    "packed_fma": len(re.findall(r"vfn?m(?:add|sub)\\d+pd\\s.*%[yz]mm", body)),
    "any_fma": len(re.findall(r"vfn?m(?:add|sub)\\d+[ps]d", body)),
    "calls": len(re.findall(r"movabsq\\s+\\$(?:fma|exp|log|sqrt|rint)\\b", body)),
}))
"""
)
PRICE_CHILD = """
import numpy as np
from steelyard.valuation.black76 import black76_price
print(black76_price(True, 100.0, np.linspace(50.0, 150.0, 9), 0.5, 1.0).tobytes().hex())
"""


def run_child(program: str, cache: Path, package: Path, **variables: str) -> str:
    """Return what a fresh interpreter prints, with its own kernel cache."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    clean |= {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(package.parent), **variables}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def compile_for_targets(folder: Path) -> dict[str, dict[str, object]]:
    """Return what each processor target that this machine can run gives."""
    features = get_host_cpu_features()
    names = [n for n in TARGETS if all(features.get(f, False) for f in NEEDS.get(n, ()))]

    def measure(name: str) -> dict[str, object]:
        cpu, extensions = TARGETS[name]
        chosen = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": extensions} if cpu else {}
        return dict(json.loads(run_child(CHILD, folder / name, PACKAGE, **chosen)))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(measure, names), strict=True))


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 17, 64])
def test_VALU_020_any_split_gives_the_same_bits(piece: int) -> None:
    options = self_check.sample_options()
    whole = [black76_price(*options), *black76_greeks(*options)]
    parts: list[list[np.ndarray]] = []
    for first in range(0, self_check.OPTIONS, piece):
        part = [column[first : first + piece] for column in options]
        parts.append([black76_price(*part), *black76_greeks(*part)])
    for number, column in enumerate(whole):
        assert np.concatenate([part[number] for part in parts]).tobytes() == column.tobytes()


@pytest.mark.slow
def test_VALU_021_VALU_023_one_digest_over_processor_targets(tmp_path: Path) -> None:
    # One test, since compiling for every target takes a quarter of a minute.
    compiled = compile_for_targets(tmp_path)
    found = {name: result["fingerprint"] for name, result in compiled.items()}
    assert found == dict.fromkeys(compiled, self_check.PINNED_FINGERPRINT)
    assert {result["rates"] for result in compiled.values()} == {PINNED_RATES_DIGEST}
    assert {"generic", "nehalem", "host"} <= set(found)
    # The digests are equal although the code is not.
    for name in ("generic", "nehalem"):
        assert compiled[name]["any_fma"] == 0
        assert compiled[name]["calls"] == 1  # the C library's fma, loaded once
    if "haswell" in compiled:
        # 42 fused multiply-adds for the two Mills ratios, 11 for exp, 8 for log, and a few more; twice,
        # since two vectors go through the loop side by side.
        assert int(str(compiled["haswell"]["packed_fma"])) >= 120
        assert compiled["haswell"]["calls"] == 0


def test_VALU_021_this_process_computes_the_pinned_digest() -> None:
    assert self_check.kernel_fingerprint() == self_check.PINNED_FINGERPRINT
    self_check.require_exact_kernels()
    names: dict[str, Any] = {}
    exec(RATES_DIGEST, names)
    assert names["rates_digest"]() == PINNED_RATES_DIGEST


def test_VALU_022_a_changed_building_block_is_compiled_anew(tmp_path: Path) -> None:
    package = tmp_path / "steelyard"
    for room in ("quantities", "valuation"):
        shutil.copytree(
            PACKAGE / room, package / room, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(PACKAGE / "__init__.py", package / "__init__.py")
    cache = tmp_path / "cache"
    before = run_child(PRICE_CHILD, cache, package)
    entries = sorted(p.stat().st_mtime_ns for p in cache.rglob("*.nbc"))
    assert run_child(PRICE_CHILD, cache, package) == before
    assert sorted(p.stat().st_mtime_ns for p in cache.rglob("*.nbc")) == entries  # served from it
    source = package / "valuation" / "elementary.py"
    text = source.read_text(encoding="utf-8")
    changed = text.replace("0x1.555555555", "0x1.555556555", 1)
    assert changed != text
    source.write_text(changed, encoding="utf-8")
    assert run_child(PRICE_CHILD, cache, package) != before


def test_VALU_024_other_bits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = self_check.PINNED_FINGERPRINT
    monkeypatch.setattr(self_check, "PINNED_FINGERPRINT", "f" * 32)
    with pytest.raises(InvariantError, match=f"{found}.*{'f' * 32}"):
        self_check.require_exact_kernels()
