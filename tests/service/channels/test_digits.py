"""Integers as JSON: the compiled loop against the encoder of the standard library."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from steelyard.service.channels.digits import json_of

LEAST, MOST = -(2**63), 2**63 - 1
AROUND_TENS = st.builds(
    lambda power, off, sign: max(LEAST, min(MOST, sign * (10**power + off))),
    st.integers(0, 18), st.integers(-1, 1), st.sampled_from((-1, 1)),
)  # fmt: skip


@given(st.lists(st.integers(LEAST, MOST) | AROUND_TENS, max_size=40))
@example([])
@example([LEAST, MOST, 0, -1])
def test_CHAN_017_integers_are_written_as_json_dumps_writes_them(values: list[int]) -> None:
    written = bytes(json_of(np.array(values, np.int64)))
    assert written == json.dumps(values, separators=(",", ":")).encode()


def test_CHAN_017_a_column_of_a_wider_array_is_written_as_its_own_copy() -> None:
    table = np.arange(12, dtype=np.int64).reshape(4, 3) - 6
    assert json.loads(bytes(json_of(table[:, 1]))) == [-5, -2, 1, 4]
