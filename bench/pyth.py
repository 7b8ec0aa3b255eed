"""Time to verify one Pyth update, beside what its thirteen key recoveries alone cost.

    python -m bench.pyth [--quick]

Guardians of our own sign: 13 of 19, trees of 1,024 messages, so proofs of ten steps. The peer is bare
`coincurve`, which recovers the thirteen keys and checks nothing; the ratio says what everything else
(parsing, hashing, Merkle proofs, comparing) adds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

from bench.machine import paired, peer, print_machine, report
from steelyard.feeds.live.oracles.hermes import HermesReader
from steelyard.feeds.live.oracles.pyth import parse_update, read_update
from steelyard.feeds.live.oracles.pyth_pro import Merger, ProClient, ProTerms
from steelyard.feeds.live.oracles.pyth_pro_payload import ProSigner
from steelyard.feeds.live.oracles.wormhole import read_trust
from tests.support.pyth import (
    NOW_US,
    PRO_NOW_US,
    Attester,
    address,
    assembled,
    hermes_document,
    key,
    price_message,
    pro_frame,
    root_payload,
    tree,
)

TREE = 1_024
FEEDS = (1, 10)


def bench_PYTH_060(rounds: int) -> None:
    """Print the time of whole updates of 1 and of 10 feeds, and the ratio to bare key recovery."""
    coincurve = peer("coincurve")
    attester = Attester(size=19)
    trust = read_trust(attester.document())
    messages = [price_message(number.to_bytes(32)) for number in range(TREE)]
    root, proofs = tree(messages)
    vaa = attester.vaa(root_payload(root))
    for count in FEEDS:
        data = assembled(vaa, messages[:count], proofs[:count])
        assert len(read_update(data, trust, NOW_US)) == count
        parsed = parse_update(data).vaa

        def recover(parsed: object = parsed) -> None:
            for each in parsed.signatures:  # type: ignore[attr-defined]
                coincurve.PublicKey.from_signature_and_message(  # type: ignore[union-attr]
                    each.signature,
                    parsed.digest,  # type: ignore[attr-defined]
                    hasher=None,
                )

        def verify(data: bytes = data) -> object:
            return read_update(data, trust, NOW_US)

        times = paired(recover, verify, rounds)
        note = f"proofs of {len(proofs[0])} steps"
        report(f"pyth update, 13 signatures, {count} feeds", times.second_s * 1e6, "us", note=note)
        report(f"  as a multiple of bare recovery, {count} feeds", times.ratio, "x")
        document = json.dumps(hermes_document([data], messages[:count])).encode()
        feeds = [message[1:33].hex() for message in messages[:count]]
        _print_single(
            f"hermes document, {count} feeds",
            lambda document=document, feeds=feeds: HermesReader(trust, feeds).receive(  # type: ignore[misc]
                document, NOW_US
            ),
            rounds,
        )


def bench_pro(rounds: int) -> None:
    """Print the time of a Pyth Pro frame of ten feeds, with and without its signature."""
    signer = key(900)
    prices = [(number, 10**12 + number) for number in range(1, 11)]
    feeds = tuple(number for number, _ in prices)
    signed = ProTerms(feeds, signers=(ProSigner(address(signer)),))
    frame = json.dumps(pro_frame(prices, signer=signer)).encode()
    plain = json.dumps(pro_frame(prices)).encode()
    times = paired(
        lambda: ProClient("a", ProTerms(feeds), Merger()).receive(plain, PRO_NOW_US),
        lambda: ProClient("a", signed, Merger()).receive(frame, PRO_NOW_US),
        rounds,
    )
    report("pyth pro frame, 10 feeds, unsigned", times.first_s * 1e6, "us")
    report("pyth pro frame, 10 feeds, verified", times.second_s * 1e6, "us")


def _print_single(name: str, program: Callable[[], object], rounds: int) -> None:
    times = paired(program, program, rounds)
    report(name, min(times.first_s, times.second_s) * 1e6, "us")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    print_machine()
    if peer("coincurve") is None:
        return
    rounds = 200 if options.quick else 2_000
    bench_PYTH_060(rounds)
    bench_pro(rounds)


if __name__ == "__main__":
    main()
