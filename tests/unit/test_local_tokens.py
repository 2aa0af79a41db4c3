"""`make token SUB=…`: a token of any user of the running local stack."""

import json
import subprocess
import sys
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.unit.conftest import AUDIENCE, ISSUER, ROOT, RSA_KEY


@pytest.fixture
def stack_file(tmp_path: Path) -> Path:
    """What a stack tells of itself, and the key that it lets its tokens be signed with."""
    key = tmp_path / "users.pem"
    key.write_bytes(RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    facts = {"jwtPrivateKeyFile": str(key), "jwtIssuer": ISSUER, "jwtAudience": AUDIENCE}
    file = tmp_path / "stack.json"
    file.write_text(json.dumps(facts))
    return file


def token(stack_file: Path, subject: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "local/user_token.py", "--stack", str(stack_file), "--", subject]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("subject", ["auth0|5f7c8ec7c33c6c004bbafe82", "-Mx7:grace@example.com"])
def test_it_is_the_token_that_the_issuer_gives_a_user(stack_file: Path, subject: str) -> None:
    printed = token(stack_file, subject).stdout.strip()
    claims = jwt.decode(printed, RSA_KEY.public_key(), ["RS256"], audience=AUDIENCE, issuer=ISSUER)
    assert claims["sub"] == subject


def test_without_an_id_it_says_what_to_type(stack_file: Path) -> None:
    refused = token(stack_file, "")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "make token SUB=ID" in refused.stderr


def test_without_a_stack_it_says_how_to_start_one(tmp_path: Path) -> None:
    refused = token(tmp_path / "stack.json", "ada")
    assert refused.returncode == 2
    assert "make run" in refused.stderr
