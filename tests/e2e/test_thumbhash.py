"""Placeholders against ThumbHash's reference implementation, the package `thumbhash` of npm."""

import io
import json
import subprocess
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat
from tests.e2e import npm
from tests.photos import encoded, photo

from vignette.images.helper import process
from vignette.images.messages import Wanted

REFERENCE = Path(__file__).parent / "thumbhash"
# Shows a placeholder, and what the reference itself makes of a picture.
SHOW = """
import { readFileSync } from "node:fs";
import { rgbaToThumbHash, thumbHashToRGBA } from "thumbhash";
const { placeholder, side, pixels } = JSON.parse(readFileSync(0));
const hashes = [Buffer.from(placeholder, "base64"), rgbaToThumbHash(side, side, pixels)];
console.log(JSON.stringify(hashes.map(thumbHashToRGBA).map(({ w, h, rgba }) => [w, h, [...rgba]])));
"""


@pytest.mark.parametrize("name", ["astronaut.jpg", "china.jpg", "flower.jpg"])
def test_a_placeholder_is_what_the_reference_makes_of_the_64_pixel_rendition(name: str) -> None:
    npm.install(REFERENCE)
    result = process(encoded(photo(name), "JPEG"), Wanted())
    picture = Image.open(io.BytesIO(result.renditions["64"])).convert("RGBA")
    question = {
        "placeholder": result.placeholder,
        "side": picture.width,
        "pixels": list(picture.tobytes()),
    }
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", SHOW],
        cwd=REFERENCE,
        check=True,
        capture_output=True,
        input=json.dumps(question).encode(),
        timeout=60,
    )
    ours, reference = (
        Image.frombytes("RGBA", (width, height), bytes(pixels))
        for width, height, pixels in json.loads(done.stdout)
    )
    assert ours.size == reference.size == (32, 32)
    # Waves have 16 steps: rounding may take another one.
    assert max(ImageStat.Stat(ImageChops.difference(ours, reference)).mean) < 6
    # They do look like the picture, and not only like each other.
    far = picture.resize((4, 4), Image.Resampling.BOX)
    blurred = ours.resize((4, 4), Image.Resampling.BOX)
    turned = far.transpose(Image.Transpose.ROTATE_180)
    like, unlike = (
        sum(ImageStat.Stat(ImageChops.difference(blurred, other)).mean) for other in (far, turned)
    )
    assert 2 * like < unlike
