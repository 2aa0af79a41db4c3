"""What functions have logged, in the files where the local stack puts it."""

import re
from pathlib import Path

LOOKS = {
    "a token": r"eyJ[\w-]{8,}\.[\w-]*",
    "an e-mail address": r"[\w.+-]+@[\w-]+\.[\w.]+",
    "a phone number": r"\+[1-9]\d{7,14}\b",
    "a presigned address": r"(?i)x-amz-(signature|credential|security-token)",
    "a signed address": r"(?i)x-authgear-signature",
    "credentials of AWS": r"\b(AKIA|ASIA)[A-Z0-9]{12,}",
    "a password's digest": r"\$argon2|\$2[aby]\$|pbkdf2_sha256\$|scrypt:\d",
    "credentials": r"(?i)\bbearer\s+\S{8,}",
}
_NO_FUNCTIONS = ("ministack", "sam-")


def written(folder: Path) -> dict[str, str]:
    """What each function has logged since its stack was made, by its name."""
    return {
        file.stem: file.read_text()
        for file in sorted(folder.glob("*.log"))
        if not file.name.startswith(_NO_FUNCTIONS)
    }


def leaks(folder: Path) -> list[str]:
    """The lines that functions have logged and that look like something secret or personal."""
    return [
        f"{what} in the log of {name}: {line[:300]}"
        for name, text in written(folder).items()
        for line in text.splitlines()
        for what, look in LOOKS.items()
        if re.search(look, line)
    ]
