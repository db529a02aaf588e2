"""Key events to codes: every key of both layouts, held keys, Alt numbers, and what spells nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readers.barcode.framing import Code, Heard, Unreadable
from readers.barcode.keycode import LAYOUTS, KeyReader, Layout

SHIFT, CTRL, ALT, ALT_GR, CAPS, ENTER, TAB = 42, 29, 56, 100, 58, 28, 15
KEYPAD = dict(zip("7894561230", (71, 72, 73, 75, 76, 77, 79, 80, 81, 82), strict=True))


class Typist:
    """Presses and lets go as a scanner would."""

    def __init__(self, layout: Layout = "us") -> None:
        self.reader = KeyReader(layout)
        self.heard: list[Heard] = []

    def tap(self, code: int, *held: int) -> None:
        for key in held:
            self.heard += self.reader.key(key, 1)
        self.heard += self.reader.key(code, 1)
        self.heard += self.reader.key(code, 2)
        self.heard += self.reader.key(code, 0)
        for key in held:
            self.heard += self.reader.key(key, 0)

    def alt(self, digits: str) -> None:
        self.heard += self.reader.key(ALT, 1)
        for digit in digits:
            self.heard += self.reader.key(KEYPAD[digit], 1)
            self.heard += self.reader.key(KEYPAD[digit], 0)
        self.heard += self.reader.key(ALT, 0)

    def type(self, text: str, layout: Layout) -> None:
        for character in text:
            code, shifted = next(
                (code, character == pair[1] != pair[0])
                for code, pair in LAYOUTS[layout].items()
                if character in pair and code < 57
            )
            self.tap(code, *((SHIFT,) if shifted else ()))


@pytest.mark.parametrize("layout", ["us", "de"])
def test_every_key_of_a_layout(layout: Layout) -> None:
    typist = Typist(layout)
    for code, (plain, shifted) in LAYOUTS[layout].items():
        typist.tap(code)
        typist.tap(code, SHIFT)
        typist.tap(ENTER)
        assert typist.heard.pop() == Code(plain + shifted)


def test_the_us_layout_has_all_of_ascii() -> None:
    spelled = {character for pair in LAYOUTS["us"].values() for character in pair}
    assert spelled >= {chr(number) for number in range(0x20, 0x7F)}


@pytest.mark.parametrize(
    ("layout", "keys", "spelled"),
    [
        ("us", [(21,), (44,)], "yz"),
        ("de", [(21,), (44,)], "zy"),
        ("de", [(16, ALT_GR), (9, ALT_GR), (10, ALT_GR)], "@[]"),
        ("us", [(27, CTRL)], "\x1d"),
        ("us", [(30, CTRL)], "\x01"),
        ("us", [(30,), (30, SHIFT), (2, SHIFT)], "aA!"),
    ],
)
def test_held_keys(layout: Layout, keys: list[tuple[int, ...]], spelled: str) -> None:
    typist = Typist(layout)
    for code, *held in keys:
        typist.tap(code, *held)
    typist.tap(ENTER)
    assert typist.heard == [Code(spelled)]


def test_caps_lock_turns_letters_and_nothing_else() -> None:
    typist = Typist()
    typist.tap(CAPS)
    for keys in ((30,), (30, SHIFT), (2,), (12,)):
        typist.tap(*keys)
    typist.tap(CAPS)
    typist.tap(30)
    typist.tap(TAB)
    assert typist.heard == [Code("Aa1-a")]


@pytest.mark.parametrize(
    ("digits", "spelled"), [("029", "\x1d"), ("29", "\x1d"), ("65", "A"), ("0228", "ä"), ("132", "ä")]
)
def test_alt_numbers(digits: str, spelled: str) -> None:
    typist = Typist()
    typist.alt(digits)
    typist.tap(ENTER)
    assert typist.heard == [Code(spelled)]


def test_a_gs1_code_with_its_separator() -> None:
    typist = Typist()
    typist.type("]d2010950600013435210lot7", "us")
    typist.tap(27, CTRL)
    typist.type("17270200", "us")
    typist.tap(ENTER)
    assert typist.heard == [Code("]d2010950600013435210lot7\x1d17270200")]


@pytest.mark.parametrize("keys", [(59,), (30, ALT), (2, CTRL), (30, ALT_GR), (500,)])
def test_a_key_without_a_character_spoils_the_code_and_only_it(keys: tuple[int, ...]) -> None:
    typist = Typist()
    typist.tap(30)
    typist.tap(*keys)
    typist.tap(ENTER)
    typist.tap(30)
    typist.tap(ENTER)
    assert [type(one) for one in typist.heard] == [Unreadable, Code]
    assert f"key {keys[0]} " in typist.heard[0].reason  # type: ignore[union-attr]


def test_too_long_without_enter_is_told() -> None:
    typist = Typist()
    for _ in range(513):
        typist.tap(2)
    typist.tap(ENTER)
    assert [type(one) for one in typist.heard] == [Unreadable]


def test_silence_ends_a_code_and_enter_alone_is_none() -> None:
    typist = Typist()
    typist.tap(ENTER)
    assert typist.heard == []
    typist.tap(2)
    assert typist.reader.is_open
    assert typist.reader.flush() == [Code("1")]
    assert not typist.reader.is_open


@given(st.lists(st.tuples(st.integers(0, 260), st.integers(0, 2)), max_size=80))
def test_any_keys_make_codes_or_are_told(keys: list[tuple[int, int]]) -> None:
    reader = KeyReader("de")
    for code, value in keys:
        assert all(isinstance(heard, Code | Unreadable) for heard in reader.key(code, value))
