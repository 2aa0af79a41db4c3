"""Invisible characters that change how a name looks: regular expressions for display names."""

# Controls of direction (Unicode, UAX 9) and characters without width make a name look like another.
# Joiners shape letters from Arabic to Myanmar: they are accepted where such a letter follows.
_HIDDEN = r"\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_JOINERS = r"\u200c\u200d"
_JOINED = r"[\u200c\u200d][\u0600-\u109f]"

HIDDEN = rf"[{_HIDDEN}]|[{_JOINERS}](?![\u0600-\u109f])"

_CONTROL = r"\x00-\x1f\x7f"
_SEEN = rf"(?:[^{_CONTROL}{_HIDDEN}{_JOINERS}](?:{_JOINED})?)*"
_NOT_BLANK = rf"[^{_CONTROL}{_HIDDEN}{_JOINERS}\s\x85](?:{_JOINED})?"
# White space before it is taken off, so that a name may begin with a joiner and its letter.
NAME = rf"^(?:{_JOINED})?{_SEEN}{_NOT_BLANK}{_SEEN}$"
