"""Which names people may have, and when two names are one person. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from appliance.errors import InputError

MAX_NAME_LENGTH = 100

# Not str.strip(): that would also take line breaks, which are refused instead.
_SPACES = " \u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_ZERO_WIDTH_JOINER = "\u200d"
_TEXT_STYLE, _EMOJI_STYLE = "\ufe0e", "\ufe0f"
# Controls, formats (bidi, zero width), surrogates, private use, unassigned, line separators.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters, marks and a symbol that show nothing, so that two names could look alike.
_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
) | frozenset(map(chr, (*range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0))))


def check_name(name: str) -> str:
    """The name as it is kept: NFC, without spaces around it. InputError when it is none."""
    tidy = unicodedata.normalize("NFC", name).strip(_SPACES)
    for is_faulty, sentence, hint in _FAULTS:
        if is_faulty(tidy):
            raise InputError(f"{_shown(name)} {sentence}.", hint=hint, code="bad_name")
    return tidy


def name_key(name: str) -> str:
    """What is compared: "Alice", "alice" and a full-width "alice" share one key.

    Takes any text, also what could never be a name. Follows Unicode's compatibility caseless
    matching (section 3.13, D146), and passes over emoji style and doubled spaces.
    """
    text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    text = text.replace(_TEXT_STYLE, "").replace(_EMOJI_STYLE, "")
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold())
    return " ".join(unicodedata.normalize("NFKC", text.casefold()).split())


def _shown(name: str) -> str:
    # repr() escapes what would upset a terminal, direction marks included.
    return repr(name if len(name) <= 40 else name[:39] + "…")


def _has_hidden_characters(name: str) -> bool:
    return any(
        not _in_an_emoji(name, place)
        and (char in _INVISIBLE or unicodedata.category(char) in _REFUSED_CATEGORIES)
        for place, char in enumerate(name)
    )


def _has_a_stray_style(name: str) -> bool:
    return any(
        char in (_TEXT_STYLE, _EMOJI_STYLE) and not _can_take_a_style(name[place - 1 : place])
        for place, char in enumerate(name)
    )


def _can_take_a_style(char: str) -> bool:
    # Symbols, and the digits, # and * of keycaps.
    return bool(char) and (unicodedata.category(char).startswith("S") or char in "#*0123456789")


def _in_an_emoji(name: str, place: int) -> bool:
    """True for a joiner with an emoji on either side, as in a family or a profession."""
    if name[place] != _ZERO_WIDTH_JOINER:
        return False
    before, after = name[:place].rstrip(_EMOJI_STYLE)[-1:], name[place + 1 : place + 2]
    return _is_pictured(before) and _is_pictured(after)


def _is_pictured(char: str) -> bool:
    # So: symbols; Sk: the skin tones.
    return bool(char) and unicodedata.category(char) in {"So", "Sk"}


_HIDDEN = (
    "cannot be a name: it holds characters that do not show (a line break, a control "
    "character, a direction mark, a zero-width character)"
)


def _says_nothing(name: str) -> bool:
    return not any(unicodedata.category(char)[0] in "LNS" for char in name)


_FAULTS: tuple[tuple[Callable[[str], bool], str, str], ...] = (
    (lambda name: not name, "is an empty name", "Give a name such as alice."),
    (
        lambda name: len(name) > MAX_NAME_LENGTH,
        f"is too long for a name: at most {MAX_NAME_LENGTH} characters fit",
        "Give a shorter name.",
    ),
    (
        lambda name: "/" in name or "\\" in name,
        "cannot be a name: it holds a slash",
        "Leave slashes and backslashes out.",
    ),
    (
        lambda name: name.startswith("."),
        "cannot be a name: it begins with a dot",
        "Begin with a letter or a digit.",
    ),
    (
        lambda name: _has_hidden_characters(name) or _has_a_stray_style(name),
        _HIDDEN,
        "Type the name anew instead of pasting it.",
    ),
    (_says_nothing, "cannot be a name: it holds no letter or digit", "Give a name such as alice."),
)
