"""A keyboard-wedge scanner types its codes: key events to codes (pure).

    key                              does
    ---                              ----
    a character's key                that character, with Shift, AltGr and Caps Lock as the layout says
    Ctrl + a character               the control character: Ctrl+] is 0x1D, FNC1
    Alt held + keypad digits         the character of that number, when Alt is let go (cp437; cp1252 after a leading 0)
    Enter, keypad Enter, Tab         ends the code
    a key without a character        spoils the code: it is told as unreadable, never guessed

A scanner's keyboard layout must be that of its configuration; a wrong one spells wrong characters, which a GS1 check
digit catches only among digits. Key numbers are Linux's (input-event-codes.h), names are those of a US keyboard.
"""

from __future__ import annotations

from typing import Final, Literal

from gs1.element import MAX_CODE_CHARACTERS
from readers.barcode.framing import Code, Heard, Unreadable

Layout = Literal["us", "de"]

KEY_UP: Final = 0
KEY_DOWN: Final = 1
"""Values of a key event; 2 is the keyboard's own repeat, which a scanner never means."""

_END_KEYS: Final = frozenset({28, 96, 15})
_SHIFTS: Final = frozenset({42, 54})
_CTRLS: Final = frozenset({29, 97})
_ALT: Final = 56
_ALT_GR: Final = 100
_CAPS_LOCK: Final = 58
_SILENT_KEYS: Final = frozenset({69, 70, 125, 126})
"""Num Lock, Scroll Lock and the system keys: typed by some scanners to set the stage, and no characters."""

_KEYPAD: Final = dict(zip((82, 79, 80, 81, 75, 76, 77, 71, 72, 73), "0123456789", strict=True))
_KEYPAD_SIGNS: Final = {55: "*", 74: "-", 78: "+", 83: ".", 98: "/"}

_ROWS: Final = ((2, 12), (16, 12), (30, 12), (43, 11))
"""First key and number of keys of each row; 43 is the backslash, which stands before the Z row in Linux's numbering."""

_SPELLED: Final[dict[Layout, tuple[tuple[str, str], ...]]] = {
    "us": (
        ("1234567890-=", "!@#$%^&*()_+"),
        ("qwertyuiop[]", "QWERTYUIOP{}"),
        ("asdfghjkl;'`", 'ASDFGHJKL:"~'),
        ("\\zxcvbnm,./", "|ZXCVBNM<>?"),
    ),
    "de": (
        ("1234567890ß ", '!"§$%&/()=? '),
        ("qwertzuiopü+", "QWERTZUIOPÜ*"),
        ("asdfghjklöä ", "ASDFGHJKLÖÄ°"),
        ("#yxcvbnm,.-", "'YXCVBNM;:_"),
    ),
}
"""What the keys of each row spell without and with Shift; a space is a dead key, which spells nothing by itself."""

_EXTRA: Final[dict[Layout, dict[int, tuple[str, str]]]] = {"us": {86: ("\\", "|")}, "de": {86: ("<", ">")}}
_ALT_GR_SPELLS: Final[dict[Layout, dict[int, str]]] = {
    "us": {},
    "de": {8: "{", 9: "[", 10: "]", 11: "}", 12: "\\", 16: "@", 18: "€", 27: "~", 50: "µ", 86: "|"},
}


def _table(layout: Layout) -> dict[int, tuple[str, str]]:
    keys: dict[int, tuple[str, str]] = {57: (" ", " "), **_EXTRA[layout]}
    for (first, count), (plain, shifted) in zip(_ROWS, _SPELLED[layout], strict=True):
        for place in range(count):
            if plain[place] != " ":
                keys[first + place] = plain[place], shifted[place]
    keys |= {code: (sign, sign) for code, sign in _KEYPAD_SIGNS.items()}
    return keys | {code: (digit, digit) for code, digit in _KEYPAD.items()}


LAYOUTS: Final[dict[Layout, dict[int, tuple[str, str]]]] = {"us": _table("us"), "de": _table("de")}
"""For each layout: key → character without and with Shift."""


class KeyReader:
    """Key events of one scanner to codes."""

    def __init__(self, layout: Layout = "us") -> None:
        self._layout: Layout = layout
        self._keys = LAYOUTS[layout]
        self._alt_gr_spells = _ALT_GR_SPELLS[layout]
        self._held: set[int] = set()
        self._caps_lock = False
        self._alt_digits = ""
        self._text = ""
        self._spoilt = ""

    def key(self, code: int, value: int) -> list[Heard]:
        """One key event; the code that it ends, if any."""
        if value == KEY_UP:
            self._held.discard(code)
            if code == _ALT:
                self._end_alt_number()
        elif value == KEY_DOWN:
            if code in _END_KEYS:
                return self.flush()
            self._press(code)
        return []

    def flush(self) -> list[Heard]:
        """End the code here, as Enter or silence does."""
        text, spoilt = self._text, self._spoilt
        self._text = self._spoilt = self._alt_digits = ""
        if spoilt:
            return [Unreadable(spoilt)]
        return [Code(text)] if text else []

    @property
    def is_open(self) -> bool:
        """Has a code begun whose end has not come?"""
        return bool(self._text or self._spoilt)

    def _press(self, code: int) -> None:
        if code in _SHIFTS or code in _CTRLS or code in (_ALT, _ALT_GR):
            self._held.add(code)
        elif code == _CAPS_LOCK:
            self._caps_lock = not self._caps_lock
        elif code in _SILENT_KEYS:
            pass
        elif _ALT in self._held and code in _KEYPAD:
            self._alt_digits += _KEYPAD[code]
        else:
            self._append(self._spells(code), code)

    def _spells(self, code: int) -> str:
        """The character that a key spells with what is held; nothing where it spells none."""
        if _ALT_GR in self._held:
            return self._alt_gr_spells.get(code, "")
        if _ALT in self._held or code not in self._keys:
            return ""
        plain, shifted = self._keys[code]
        if self._held & _CTRLS:
            character = plain.upper()
            return chr(ord(character) - 64) if 64 <= ord(character) < 96 else ""
        shift = bool(self._held & _SHIFTS)
        if plain.isalpha() and plain.upper() == shifted:
            shift = shift != self._caps_lock
        return shifted if shift else plain

    def _end_alt_number(self) -> None:
        digits, self._alt_digits = self._alt_digits, ""
        if digits:
            number = bytes([int(digits) % 256])
            self._append(number.decode("cp1252" if digits[0] == "0" else "cp437", errors="ignore"), _ALT)

    def _append(self, character: str, code: int) -> None:
        if not character:
            self._spoilt = self._spoilt or f"key {code} spells no character in the layout {self._layout}"
        elif len(self._text) >= MAX_CODE_CHARACTERS:
            self._spoilt = self._spoilt or f"more than {MAX_CODE_CHARACTERS} characters came without Enter"
        else:
            self._text += character
