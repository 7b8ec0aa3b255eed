"""Broken frames by the ten thousand: whole ones go in, mutants come out, the same for the same seed.

What JSON there is in a frame is broken where its parser looks (numbers, names, members, nesting);
whatever else it is, compressed or binary, is broken by bit, byte and piece.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

_TOKEN = re.compile(
    rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[\[\]{},:]', re.DOTALL
)

VALUES: tuple[bytes, ...] = (
    *(
        b"0",
        b"-0",
        b"0.0",
        b"-1",
        b"1",
        b"1e400",
        b"-1e400",
        b"1e308",
        b"1e-400",
        b"5e-324",
        b"0.1",
    ),
    *(b"NaN", b"Infinity", b"-Infinity", b'"NaN"', b'"nan"', b'"Infinity"', b'"-inf"', b'"1e400"'),
    *(
        b"9" * 20,
        b"-" + b"9" * 20,
        b"1" + b"0" * 400,
        b'"' + b"9" * 5_000 + b'"',
        b"0x10",
        b"01",
        b"1_0",
    ),
    *(
        b"2147483648",
        b"-2147483649",
        b"9223372036854775807",
        b"9223372036854775808",
        b"-9223372036854775809",
    ),
    *(b"18446744073709551616", b"253402300800000000", b"1" * 30, b'"1' + b"0" * 400 + b'"'),
    *(
        b'"0"',
        b'"-1"',
        b'"1"',
        b'""',
        b'" "',
        b'" 1"',
        b'"1_0"',
        b'"\\u0000"',
        b'"\\ud800"',
        b'"\\"',
    ),
    *(b'"0x"', b'"0xzz"', b'"text"', b'"' + b"a" * 5_000 + b'"', b'"\xff\xfe"', b'"\xc0\x80"'),
    *(
        '"\u0661\u0662"'.encode(),
        '"\uff11"'.encode(),
        '"\U0001f4a5"'.encode(),
        b'"2024-02-30T25:61:61Z"',
    ),
    *(
        b"null",
        b"true",
        b"false",
        b"[]",
        b"{}",
        b"[[]]",
        b"[null]",
        b"[1,2,3]",
        b'{"a":{}}',
        b'["1","2"]',
    ),
    *(
        b'[["1"]]',
        b'[["1","2","3","4"]]',
        b"[" * 60 + b"]" * 60,
        b"[" * 3_000,
        b"[" * 1_500 + b"]" * 1_500,
    ),
    *(b'{"a":' * 1_500 + b"1" + b"}" * 1_500, b"", b",", b"}", b"]", b'"', b"\\", b"//", b"\x00"),
)
_SCRAPS: tuple[bytes, ...] = (
    *(
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf5",
        b"\xef\xbb\xbf",
        b"\x00",
        b"\x00" * 32,
        b"\xff" * 32,
    ),
    *(
        b"\n",
        b"\r\n",
        b" ",
        b'"',
        b"\\",
        b"\\u",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"-",
        b"e",
        b".",
    ),
)
_WHOLE: tuple[bytes, ...] = (
    *(
        b"",
        b" ",
        b"\x00",
        b"\xff",
        b"{}",
        b"[]",
        b"[[]]",
        b"[{}]",
        b"null",
        b"true",
        b"0",
        b"-1",
        b'""',
    ),
    *(
        b"NaN",
        b'"pong"',
        b"pong",
        b"ping",
        b"{",
        b"[",
        b'{"":0}',
        b'{"a":1}',
        b"\x1f\x8b",
        b"\x78\x9c",
    ),
    *(
        b"[" * 100_000,
        b'{"a":' * 20_000,
        b"[" * 5_000 + b"]" * 5_000,
        b"9" * 20_000,
        b"\xef\xbb\xbf{}",
    ),
)


class Anatomy(NamedTuple):
    """Where a frame's JSON has values (containers too), names and members, as (start, end) of bytes."""

    values: tuple[tuple[int, int], ...]
    names: tuple[tuple[int, int], ...]
    members: tuple[tuple[int, int], ...]


_NO_JSON = Anatomy((), (), ())


@lru_cache(maxsize=4_096)
def anatomy(frame: bytes) -> Anatomy:
    """Return where the values, names and members of a frame are; of what is no JSON, what looks like it.

    >>> whole = anatomy(b'{"a":[1,"b"]}')
    >>> [b'{"a":[1,"b"]}'[start:end] for start, end in whole.values]
    [b'1', b'"b"', b'[1,"b"]', b'{"a":[1,"b"]}']
    >>> [b'{"a":[1,"b"]}'[start:end] for start, end in whole.members]
    [b'"a":[1,"b"]']
    """
    values: list[tuple[int, int]] = []
    names: list[tuple[int, int]] = []
    members: list[tuple[int, int]] = []
    open_at: list[tuple[int, int]] = []  # start of the container, start of the name before it
    name_at = -1
    last_string = (-1, -1)
    for match in _TOKEN.finditer(frame):
        start, end = match.span()
        mark = frame[start]
        if mark in b"[{":
            open_at.append((start, name_at))
            name_at = -1
            continue
        if mark == 58:  # a colon: the string before it was a name and no value
            if last_string[0] >= 0 and values and values[-1] == last_string:
                values.pop()
                if members and members[-1][1] == last_string[1]:
                    members.pop()
                names.append(last_string)
                name_at = last_string[0]
            continue
        if mark == 44:
            name_at = -1
            continue
        if mark in b"]}":
            if not open_at:
                continue
            start, name_at = open_at.pop()
        values.append((start, end))
        if name_at >= 0:
            members.append((name_at, end))
        last_string = (start, end) if mark == 34 else (-1, -1)
        name_at = -1
    return Anatomy(tuple(values), tuple(names), tuple(members))


class _Breaker:
    """One chance and the frames it draws on; every verb takes a frame and returns a broken one."""

    def __init__(self, seeds: list[bytes], seed: int) -> None:
        self.seeds = seeds
        self.draw = random.Random(seed).random
        self.of_bytes: tuple[Callable[[bytes], bytes], ...] = (
            *(
                self.flip_bit,
                self.set_byte,
                self.set_byte_of_its_own,
                self.insert_scrap,
                self.delete_piece,
            ),
            *(self.double_piece, self.cut_end, self.cut_start, self.splice, self.swap_pieces),
        )
        self.of_values: tuple[Callable[[bytes, Anatomy], bytes], ...] = (
            *(self.set_value, self.set_value, self.set_value, self.copy_value, self.wrap_value),
            *(
                self.digits_of_value,
                self.rename,
                self.drop_member,
                self.double_member,
                self.drop_value,
            ),
        )

    def below(self, count: int) -> int:
        return int(self.draw() * count)

    def place(self, frame: bytes) -> int:
        return int(self.draw() * (len(frame) + 1))

    def piece(self, frame: bytes) -> tuple[int, int]:
        start = self.place(frame)
        longest = 4 if self.draw() < 0.5 else max(1, len(frame) // 2)
        return start, min(len(frame), start + 1 + self.below(longest))

    # ---- by bit and byte

    def flip_bit(self, frame: bytes) -> bytes:
        if not frame:
            return b"\x01"
        at = self.below(len(frame))
        return frame[:at] + bytes((frame[at] ^ (1 << self.below(8)),)) + frame[at + 1 :]

    def set_byte(self, frame: bytes) -> bytes:
        at = self.place(frame)
        return frame[:at] + bytes((self.below(256),)) + frame[at + 1 :]

    def set_byte_of_its_own(self, frame: bytes) -> bytes:
        """A byte becomes another byte of the frame: hexadecimal, digits and base64 mostly stay such."""
        if not frame:
            return b"0"
        at, other = self.below(len(frame)), self.below(len(frame))
        return frame[:at] + frame[other : other + 1] + frame[at + 1 :]

    def insert_scrap(self, frame: bytes) -> bytes:
        at = self.place(frame)
        return frame[:at] + _SCRAPS[self.below(len(_SCRAPS))] + frame[at:]

    def delete_piece(self, frame: bytes) -> bytes:
        start, end = self.piece(frame)
        return frame[:start] + frame[end:]

    def double_piece(self, frame: bytes) -> bytes:
        start, end = self.piece(frame)
        return frame[:end] + frame[start:]

    def cut_end(self, frame: bytes) -> bytes:
        return frame[: self.place(frame)]

    def cut_start(self, frame: bytes) -> bytes:
        return frame[self.place(frame) :]

    def splice(self, frame: bytes) -> bytes:
        other = self.seeds[self.below(len(self.seeds))]
        return frame[: self.place(frame)] + other[self.place(other) :]

    def swap_pieces(self, frame: bytes) -> bytes:
        first, second = sorted((self.place(frame), self.place(frame)))
        return frame[second:] + frame[first:second] + frame[:first]

    # ---- by value, name and member

    def one_of(self, spans: tuple[tuple[int, int], ...]) -> tuple[int, int]:
        return spans[self.below(len(spans))]

    def set_value(self, frame: bytes, parts: Anatomy) -> bytes:
        start, end = self.one_of(parts.values)
        return frame[:start] + VALUES[self.below(len(VALUES))] + frame[end:]

    def copy_value(self, frame: bytes, parts: Anatomy) -> bytes:
        """A value becomes one found elsewhere, in this frame or another one."""
        start, end = self.one_of(parts.values)
        other = frame if self.draw() < 0.5 else self.seeds[self.below(len(self.seeds))]
        spans = anatomy(other).values
        if not spans:
            return frame[:start] + frame[end:]
        first, last = self.one_of(spans)
        return frame[:start] + other[first:last] + frame[end:]

    def wrap_value(self, frame: bytes, parts: Anatomy) -> bytes:
        start, end = self.one_of(parts.values)
        depth = 1 if self.draw() < 0.9 else 2_000
        return frame[:start] + b"[" * depth + frame[start:end] + b"]" * depth + frame[end:]

    def digits_of_value(self, frame: bytes, parts: Anatomy) -> bytes:
        """A value is quoted or loses its quotes, changes its sign or grows by digits."""
        start, end = self.one_of(parts.values)
        value = frame[start:end]
        way = self.below(4)
        if way == 0:
            changed = value[1:-1] if value[:1] == b'"' else b'"' + value + b'"'
        elif way == 1:
            changed = b'"-' + value[1:] if value[:1] == b'"' else b"-" + value
        elif way == 2:
            changed = value[:-1] + b'000"' if value[-1:] == b'"' else value + b"000"
        else:
            changed = value[:-1] + b'e300"' if value[-1:] == b'"' else value + b"e300"
        return frame[:start] + changed + frame[end:]

    def rename(self, frame: bytes, parts: Anatomy) -> bytes:
        if not parts.names:
            return self.set_value(frame, parts)
        start, end = self.one_of(parts.names)
        other = frame[slice(*self.one_of(parts.names))]
        name = (other, b'"x"', b'""', frame[start : end - 1] + b'_"', b'"\xff"', b"1")[
            self.below(6)
        ]
        return frame[:start] + name + frame[end:]

    def drop_member(self, frame: bytes, parts: Anatomy) -> bytes:
        if not parts.members:
            return self.drop_value(frame, parts)
        return self._without(frame, *self.one_of(parts.members))

    def double_member(self, frame: bytes, parts: Anatomy) -> bytes:
        start, end = self.one_of(parts.members or parts.values)
        return frame[:end] + b"," + frame[start:]

    def drop_value(self, frame: bytes, parts: Anatomy) -> bytes:
        return self._without(frame, *self.one_of(parts.values))

    def _without(self, frame: bytes, start: int, end: int) -> bytes:
        """The frame stays JSON where the piece stood before or behind a comma."""
        if frame[end : end + 1] == b",":
            end += 1
        elif frame[start - 1 : start] == b",":
            start -= 1
        return frame[:start] + frame[end:]

    def mutant(self) -> bytes:
        draw = self.draw()
        if draw < 0.01:
            return _WHOLE[self.below(len(_WHOLE))]
        if draw < 0.02:
            return random.Random(self.draw()).randbytes(self.below(300))
        frame = self.seeds[self.below(len(self.seeds))]
        parts = anatomy(frame) if frame[:1] in (b"{", b"[", b'"') else _NO_JSON
        if parts.values and draw < 0.7:
            frame = self.of_values[self.below(len(self.of_values))](frame, parts)
            if draw < 0.2 and len(frame) < 1_000:  # twice broken: more kinds out of a short frame
                parts = anatomy.__wrapped__(frame)
                if parts.values:
                    frame = self.of_values[self.below(len(self.of_values))](frame, parts)
            if draw < 0.6:
                return frame
        frame = self.of_bytes[self.below(len(self.of_bytes))](frame)
        while self.draw() < 0.25:
            frame = self.of_bytes[self.below(len(self.of_bytes))](frame)
        return frame


def mutants(seeds: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Yield `count` broken forms of the frames given; the same seeds and seed give the same mutants.

    About six in ten are broken by value (and are otherwise whole JSON), the rest by bit, byte and piece,
    one in a hundred is a frame of its own (empty, deeply nested …) and one in a hundred is noise. A few
    may equal a seed. Errors: ValueError where there is no seed.

    >>> list(mutants([b'{"price":1}'], 3, seed=1)) == list(mutants([b'{"price":1}'], 3, seed=1))
    True
    """
    if not seeds:
        raise ValueError("no frame to break")
    mutant = _Breaker(seeds, seed).mutant
    for _ in range(count):
        yield mutant()
