"""Keys of the local stack: made once, kept in its state directory, never committed."""

import json
import secrets
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

TOKEN_SECONDS = 12 * 60 * 60


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An RSA key pair that signs JWTs, and the id that names it in a JWKS."""

    file: Path
    key_id: str
    private: rsa.RSAPrivateKey

    def jwks(self) -> str:
        """The public key as a JSON Web Key Set (RFC 7517), in compact JSON."""
        public: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(
            self.private.public_key(), as_dict=True
        )
        key = {name: public[name] for name in ("kty", "n", "e")}
        key |= {"kid": self.key_id, "alg": "RS256", "use": "sig"}
        return json.dumps({"keys": [key]}, separators=(",", ":"))

    def token(self, *, issuer: str, audience: str, subject: str) -> str:
        """A JWT for `subject` that holds for `TOKEN_SECONDS`."""
        now = int(time.time())
        claims = {
            "iss": issuer,
            "aud": audience,
            "sub": subject,
            "iat": now,
            "nbf": now,
            "exp": now + TOKEN_SECONDS,
        }
        return jwt.encode(claims, self.private, algorithm="RS256", headers={"kid": self.key_id})


def signing_key(directory: Path, name: str) -> SigningKey:
    """The key pair `name` kept in `directory`, made if it is not there yet."""
    file = directory / f"{name}.pem"
    if not file.exists():
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_private(file, pem.decode())
    loaded = serialization.load_pem_private_key(file.read_bytes(), password=None)
    assert isinstance(loaded, rsa.RSAPrivateKey)  # noqa: S101
    public = loaded.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return SigningKey(file, str(uuid.uuid5(uuid.NAMESPACE_OID, public.hex())), loaded)


def admin_credentials(directory: Path) -> tuple[str, str]:
    """The access key id and secret of the local account's root user."""
    file = directory / "admin.json"
    if not file.exists():
        pair = ["AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)]
        write_private(file, json.dumps(pair))
    access_key_id, secret_access_key = json.loads(file.read_text())
    return access_key_id, secret_access_key


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(text)
    part.replace(file)
