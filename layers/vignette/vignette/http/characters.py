"""Which characters a display name has: none that cannot be seen, which make it look like another.

The same rule holds in every wire format, and for what an identity provider says of a user.
"""

import re

RULE = "must have a character that can be seen, and no invisible ones"

# The general categories Cc, Cf, Zl and Zp, and `Default_Ignorable_Code_Point`, which `unicodedata`
# does not know (Unicode 16, UnicodeData.txt and DerivedCoreProperties.txt), but for what is below.
# U+2800 is Braille without a dot.
_HIDDEN = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    r"\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0"
    r"\ufff0-\ufffb"
)
_HIDDEN_BEYOND = (
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
# Joiners shape letters from Arabic to Myanmar: they are accepted where such a letter follows.
_JOINERS = r"\u200c\u200d"
_JOINED = r"\u0600-\u109f"
# Selectors choose a form of the character before: of an emoji, of a Han, Mongolian or Myanmar
# letter, but of no Latin one (StandardizedVariants.txt, emoji-variation-sequences.txt).
_SELECTORS = r"\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_VARIED = r"#*0-9\xa9\xae\u1000-\u1dff\u2000-\U0010ffff"

# Compiled, which takes 2 ms, when the first name comes, and not when a function starts.
_UNSEEN = (
    rf"[{_HIDDEN}{_HIDDEN_BEYOND}]"
    rf"|[{_JOINERS}](?![{_JOINED}])"
    rf"|(?<![{_VARIED}])[{_SELECTORS}]"
    rf"|(?<=[\s{_SELECTORS}])[{_SELECTORS}]"
)
# What JSON Schema can say of it to every engine: escapes beyond U+FFFF differ among them.
PATTERN = rf"^[^{_HIDDEN}]*[^{_HIDDEN}{_JOINERS}\s][^{_HIDDEN}]*$"


def is_name(text: str) -> bool:
    """Whether a text is one that can be shown as a name: it may have spaces around it."""
    return bool(text.strip()) and not re.search(_UNSEEN, text)
