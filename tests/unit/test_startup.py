"""What a new execution environment loads for its first request, and what it need not do again."""

import json
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(__file__).parent.parent.parent
COMPILER = ROOT / "layers" / "dependencies" / "compile_patterns.py"
PATTERNS: list[tuple[Any, int, list[Any]]] = [
    (r"(?P<word>[a-zà-ÿ]+)(\s)?", int(re.I | re.S), ["Ünder a bridge", "ab", "7"]),
    (rb"\w{2,}?(?=x)|^\d+$", 0, [b"abxx", b"17", b"x"]),
]

ID = "6c0f1a52-2d29-4a3b-9d0a-6a1a5f3f5a11"
KEY = ec.generate_private_key(ec.SECP256R1())
JWKS = {"keys": [{**jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "1"}]}
ENVIRONMENT = {
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "USERS_TABLE": "users",
    "UPLOADS_TABLE": "uploads",
    "BUCKET": "pictures",
    "SECRET_KEY_ARN": "arn:key",
    "JWT_ISSUER": "https://id.example.com",
    "JWT_AUDIENCE": "vignette",
    "JWT_JWKS": json.dumps(JWKS),
    "PUBLIC_ORIGIN": "",
    "PUBLIC_PICTURES": "true",
    "PICTURES_ORIGIN": "",
    "POWERTOOLS_METRICS_NAMESPACE": "Vignette",
    "POWERTOOLS_SERVICE_NAME": "test",
}
ITEM = {
    **{name: {"S": ID} for name in ("id", "revision", "user_id")},
    **{name: {"N": "1000"} for name in ("created_at", "updated_at")},
}
UPLOAD = {
    **{name: ITEM[name] for name in ("id", "user_id", "created_at")},
    "expires_at": {"N": "4102444800"},
    **{name: {"S": name} for name in ("kind", "scope", "state")},
}

VALIDATION = {"pydantic"}
TOKENS = {"jwt", "cryptography"}
SECRETS = {"aws_lambda_powertools.utilities.parameters"}
ELSEWHERE = {"PIL", "argon2", "graphql"}


def fresh_python(code: str, *paths: Path, **environment: str) -> str:
    """What a new interpreter prints that has the shared package and more on its path."""
    path = [str(ROOT / "layers" / "vignette"), *map(str, paths)]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {path}\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_for(function: str, method: str, path: str, token: str, body: Any = None) -> set[str]:
    """The modules that a new execution environment has loaded when its first answer is out."""
    event = {
        "routeKey": f"{method} /api/v1{path}",
        "headers": {"authorization": f"Bearer {token}"},
        "pathParameters": {"user_id": ID, "upload_id": ID},
        "requestContext": {"requestId": "1", "domainName": "api.example.com"},
        "body": json.dumps(body) if body else None,
    }
    code = f"""
import json, runpy, types
from vignette.adapters import aws
aws.client = lambda service: types.SimpleNamespace(
    get_item=lambda TableName, **_: {{"Item": {{"users": {ITEM}, "uploads": {UPLOAD}}}[TableName]}},
    update_item=lambda **_: {{"Attributes": {ITEM}}},
    get_secret_value=lambda **_: {{"SecretString": "the-key"}},
)
function = runpy.run_path({str(ROOT / "functions" / function / "app.py")!r})
left = lambda: 10_000
context = types.SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=left)
answer = function["handler"]({event!r}, context)
assert answer["statusCode"] == 200, answer
print(json.dumps(sorted(sys.modules)))
"""
    modules: list[str] = json.loads(fresh_python(code, **ENVIRONMENT).splitlines()[-1])
    return set(modules)


def token() -> str:
    """A user's token."""
    claims = {
        "iss": ENVIRONMENT["JWT_ISSUER"],
        "aud": ENVIRONMENT["JWT_AUDIENCE"],
        "sub": ID,
        "exp": int(time.time()) + 60,
    }
    return jwt.encode(claims, KEY, "ES256", headers={"kid": "1"})


@pytest.mark.parametrize(
    ("function", "path"),
    [("profiles", "/shared/users/{user_id}"), ("uploads", "/uploads/{upload_id}")],
)
def test_reading_with_the_key_loads_neither_validation_nor_tokens(function: str, path: str) -> None:
    loaded = loaded_for(function, "GET", path, "the-key")
    assert loaded >= SECRETS
    assert not loaded & (VALIDATION | TOKENS | ELSEWHERE)


def test_reading_as_a_user_loads_neither_validation_nor_the_store_of_secrets() -> None:
    loaded = loaded_for("profiles", "GET", "/users/me", token())
    assert loaded >= TOKENS
    assert not loaded & (VALIDATION | SECRETS | ELSEWHERE)


def test_changing_a_user_with_the_key_loads_validation_but_no_tokens() -> None:
    change = {"firstName": "Grace"}
    loaded = loaded_for("profiles", "PATCH", "/shared/users/{user_id}", "the-key", change)
    assert loaded >= VALIDATION
    assert not loaded & (TOKENS | ELSEWHERE)


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """A directory with the module that the dependencies layer ships, made of PATTERNS."""
    machine_code = runpy.run_path(str(COMPILER))["machine_code"]
    cache = {
        (type(pattern), pattern, flags): re.compile(pattern, flags)
        for pattern, flags, _ in PATTERNS
    }
    (tmp_path / "compiled_patterns.py").write_text(machine_code(cache))
    return tmp_path


def test_patterns_that_the_layer_has_compiled_match_without_being_compiled(compiled: Path) -> None:
    match = """
import re
def found(pattern, flags, texts):
    matches = [re.compile(pattern, flags).search(text) for text in texts]
    return [(m.span(), m.groupdict(), m.groups()) if m else None for m in matches]
"""
    use = f"print(*(found(*each) for each in {PATTERNS!r}), sep=chr(10))"
    refuse = "import vignette; re._compiler.compile = None"
    assert fresh_python(f"{match}\n{refuse}\n{use}", compiled) == fresh_python(f"{match}\n{use}")


def test_patterns_that_were_compiled_for_another_python_are_left_alone(compiled: Path) -> None:
    module = compiled / "compiled_patterns.py"
    module.write_text(re.sub(r"MAGIC = \d+", "MAGIC = 1", module.read_text()))
    code = f"""
import re
import vignette
print(sum(pattern in {[each for each, *_ in PATTERNS]!r} for _, pattern, _ in re._cache))
"""
    assert fresh_python(code, compiled) == "0\n"


@pytest.mark.parametrize("private", ["_cache", "_compiler"])
def test_another_re_is_a_warning_and_no_failure(compiled: Path, private: str) -> None:
    code = f"""
import logging, re
logging.basicConfig(format="%(message)s", stream=sys.stdout)
compile = re.compile
del re.{private}
import vignette
"""
    assert fresh_python(code, compiled).startswith("compiled patterns are not used: AttributeError")


@pytest.mark.parametrize(
    ("initialization", "preloaded"), [("on-demand", False), ("snap-start", True)]
)
def test_a_snapshot_holds_what_the_first_requests_need(
    initialization: str, preloaded: bool
) -> None:
    code = f"""
import runpy
runpy.run_path({str(ROOT / "functions" / "profiles" / "app.py")!r})
from vignette.adapters import aws
loaded = sorted({VALIDATION | TOKENS | SECRETS!r} & set(sys.modules))
print(loaded, aws.client.cache_info().currsize)
"""
    keys = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nobody"}
    printed = fresh_python(
        code, **ENVIRONMENT, **keys, AWS_LAMBDA_INITIALIZATION_TYPE=initialization
    )
    loaded, clients = (sorted(VALIDATION | TOKENS | SECRETS), 2) if preloaded else ([], 0)
    assert printed == f"{loaded} {clients}\n"
