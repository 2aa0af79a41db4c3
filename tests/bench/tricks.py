"""What each trick for speed saves: the same work with it and without it, in turns.

    PYTHONPATH=layers/vignette .venv/bin/python -m tests.bench.tricks

prints the table that docs/decisions.md quotes. It needs what `make run` builds. Each run is a
process of its own; the median of the runs counts.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

import botocore
from tests.bench import runtime, thumbnails
from tests.bench.tables import table
from tests.photos import encoded

ROUNDS = 11
PHOTO_ROUNDS = 5

# Making the clients calls nobody.
_START = """
import app
from vignette.adapters import aws
for service in ("dynamodb", "secretsmanager"):
    aws.client(service)
"""
_TOKEN = "import jwt; jwt.PyJWKSet; jwt.PyJWKClient"
_STARTED = "import json, time; print(json.dumps({'CPU ms': 1000 * time.process_time()}))"
_KEY = "renditions/a/b/256.webp"
_SIGN = f"""
from datetime import timedelta
from vignette.adapters import bucket
bucket.presigned_url({_KEY!r}, lifetime=timedelta(hours=1))
"""
_SIGN_WITH_CLIENT = f"""
parameters = {{"Bucket": "pictures", "Key": {_KEY!r}}}
aws.client("s3").generate_presigned_url("get_object", parameters, ExpiresIn=3600)
"""
_NO_PATTERNS = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "compiled_patterns" else find(name)
"""
_COLLECTING = "import gc; gc.set_threshold = gc.freeze = lambda *_: None"
_RESOLVER = "from aws_lambda_powertools.event_handler import APIGatewayHttpResolver"

_CALLS = """
import io
from botocore.awsrequest import AWSResponse

class Body(io.BytesIO):
    def stream(self):
        yield b"{}"

dynamodb = aws.client("dynamodb")
dynamodb.meta.events.register("before-send", lambda **_: AWSResponse("", 200, {}, Body()))
for _ in range(1000):
    dynamodb.get_item(TableName="users", Key={"pk": {"S": "user"}}, ConsistentRead=True)
"""
_PLAIN_CLIENTS = """
import functools, boto3
from vignette.adapters import aws
aws.client = functools.cache(boto3.client)
"""

_PHOTO = """
import ctypes, json, os, resource, sys
from vignette.images import formats, helper, libwebp
from vignette.images.messages import Wanted

data = open(sys.argv[1], "rb").read()
formats.load(data)
{instead}
for _ in range(3):
    if os.fork() == 0:
        made = helper.process(data, Wanted())
        for name, body in made.renditions.items():
            open(f"{{sys.argv[2]}}/{{name}}.webp", "wb").write(body)
        os._exit(0)
    assert os.wait()[1] == 0
used = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = 1000 * (used.ru_utime + used.ru_stime) / 3
print(json.dumps({{"CPU ms": cpu, "MiB": used.ru_maxrss / 1024}}))
"""
_LARGE_PAGES = """
process = helper.process
def with_large_pages(*arguments):
    helper._set_up_heap()
    return process(*arguments)
helper.process = with_large_pages
"""
_WITH_PILLOW = """
def with_pillow(function):
    def without_libwebp(*arguments, **named):
        known, libwebp._libwebp = libwebp._libwebp, None
        try:
            return function(*arguments, **named)
        finally:
            libwebp._libwebp = known
    return without_libwebp
"""
_PILLOW_DECODES_WEBP = f"""{_WITH_PILLOW}
libwebp.decode = with_pillow(libwebp.decode)
libwebp.read_features = with_pillow(libwebp.read_features)
"""
_PILLOW_ENCODES_WEBP = f"""{_WITH_PILLOW}
libwebp.encode = with_pillow(libwebp.encode)
"""
_PLUGIN_DECODES_AVIF = """
from PIL import AvifImagePlugin
formats._avif_decoder = lambda: None
"""
_PILLOW_DECODES_PNG = "formats._LARGE_PNG_PIXELS = float('inf')"


@dataclass(frozen=True, slots=True)
class Start:
    """A trick of a function's start, or of a thousand calls: what is run with it and without it."""

    name: str
    with_it: str = _START
    without: str = _START
    figure: str = "CPU ms of a start"
    variables: Mapping[str, str] = field(default_factory=dict)  # without it


@dataclass(frozen=True, slots=True)
class Photo:
    """A trick of decoding or encoding, and the figures that tell what it saves."""

    name: str
    photo: str
    with_it: str
    without: str
    figures: tuple[str, ...] = ("CPU ms",)


LARGE_AVIF = "50 MP AVIF"
PHOTOS_OF = thumbnails.PHOTOS | {
    LARGE_AVIF: lambda: encoded(
        thumbnails.detailed(8000, 6200).convert("RGBA"), "AVIF", quality=50, speed=10
    )
}
_UNTRIMMED = str(Path(botocore.__file__).parent / "data")

STARTS = (
    Start("compiled patterns, key", without=_NO_PATTERNS + _START),
    Start("compiled patterns, token", _START + _TOKEN, _NO_PATTERNS + _START + _TOKEN),
    Start("garbage after the first answer", without=f"{_COLLECTING}\n{_START}"),
    Start("trimmed botocore", variables={"AWS_DATA_PATH": _UNTRIMMED}),
    Start("S3 signed without a client", _START + _SIGN, _START + _SIGN_WITH_CLIENT),
    Start("routes in a dictionary", without=_START + _RESOLVER),
    Start("no validation where nothing is sent", without=f"{_START}\nimport vignette.http.fields"),
    Start("no cryptography for a key", without=_START + _TOKEN),
    Start("bytecode in the layers", variables={"PYTHONPYCACHEPREFIX": os.devnull}),
    Start(
        "less in a call of DynamoDB",
        _START + _CALLS,
        _PLAIN_CLIENTS + _START + _CALLS,
        "CPU ms of a start and 1,000 calls",
    ),
)
PHOTOS = (
    Photo("WebP decoded by libwebp", "6 MP WebP", "", _PILLOW_DECODES_WEBP, ("CPU ms", "MiB")),
    Photo(
        "WebP encoded by libwebp",
        "6 MP PNG",
        "",
        _PILLOW_ENCODES_WEBP,
        ("bytes", "SSIM"),
    ),
    Photo("AVIF without the plugin", LARGE_AVIF, "", _PLUGIN_DECODES_AVIF, ("CPU ms", "MiB")),
    Photo("PNG decoded by kornia-rs", "6 MP PNG", "", _PILLOW_DECODES_PNG),
    Photo("heap of large pages", "3 MP AVIF", _LARGE_PAGES, ""),
)


def measure() -> list[dict[str, Any]]:
    """A row for each figure of each trick: with it, and without it."""
    return [*map(_measure_start, STARTS), *(row for each in PHOTOS for row in _measure_photo(each))]


def described(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table."""
    return table(
        ["what a trick saves", "", "with", "without"],
        [
            [row["trick"], row["figure"], _number(row["with"]), _number(row["without"])]
            for row in rows
        ],
    )


def _measure_start(trick: Start) -> dict[str, Any]:
    function = runtime.built("Profiles")
    path = os.pathsep.join(map(str, (function.code, *function.packages)))
    variables = {
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "BUCKET": "pictures",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "bench",
    }
    taken: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(ROUNDS):
        for name, code, more in (
            ("with", trick.with_it, {}),
            ("without", trick.without, trick.variables),
        ):
            command = [str(runtime.PYTHON), "-c", f"{code}\n{_STARTED}"]
            taken[name].append(_figures(command, {**variables, **more})["CPU ms"])
    return {"trick": trick.name, "figure": trick.figure, **_medians(taken)}


def _measure_photo(trick: Photo) -> list[dict[str, Any]]:
    taken: dict[str, dict[str, list[float]]] = {
        figure: {"with": [], "without": []} for figure in trick.figures
    }
    with tempfile.TemporaryDirectory() as directory:
        file, made = Path(directory, "photo"), Path(directory, "made")
        made.mkdir()
        file.write_bytes(PHOTOS_OF[trick.photo]())
        for _ in range(PHOTO_ROUNDS):
            for name, instead in (("with", trick.with_it), ("without", trick.without)):
                code = _PHOTO.format(instead=instead)
                command = [sys.executable, "-c", code, str(file), str(made)]
                figures = _figures(command, dict(os.environ))
                pictures = list(made.iterdir())
                figures["bytes"] = sum(each.stat().st_size for each in pictures)
                figures["SSIM"] = mean(thumbnails.likeness(file, each) for each in pictures)
                for figure in trick.figures:
                    taken[figure][name].append(figures[figure])
    return [
        {"trick": trick.name, "figure": f"{figure}, {trick.photo}", **_medians(taken[figure])}
        for figure in trick.figures
    ]


def _figures(command: Sequence[str], variables: Mapping[str, str]) -> dict[str, float]:
    done = subprocess.run(command, env=variables, capture_output=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _number(figure: float) -> str:
    return f"{figure:.4f}" if figure < 1 else f"{figure:,.0f}"


def _medians(taken: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: median(values) for name, values in taken.items()}


if __name__ == "__main__":
    print(described(measure()))
