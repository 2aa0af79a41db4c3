"""One photo to its four pictures, in memory: this service against sharp and pyvips.

    python -m tests.bench.thumbnails

prints a table, one line per photo and contender, and the ratios to the better of the two others.
This service comes thrice: as it is with framing off, with faces framed, and in one process, without
what isolates a photo; what these take more and less is printed as well. Where a face is so small
that a JPEG is decoded once more, it comes without that, too, which tells the price.
Each contender runs in processes of its own, in turns, so that whatever else the machine does
meets them alike; of all its runs the quickest counts, which other work can only lengthen.
sharp needs node and npm, and is left out where there are none; pyvips comes as source only.
"""

import argparse
import importlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageMath
from tests.photos import encoded, photo

from vignette.images import Result, Wanted, helper, isolation, process

ROOT = Path(__file__).parent.parent.parent
SIZES = (512, 256, 128, 64)
QUALITY = 80
PYVIPS = ("pyvips==3.2.0", "pyvips-binary==8.18.7")
INSTALLED = ROOT / ".local" / "bench"
ROUNDS = 4
RUNS = 6
STARTS = 3

THIS, FACES, ONE_PROCESS = "vignette", "vignette, faces", "vignette, one process"
ONCE = "vignette, faces, decoded once"  # a picture of too few pixels where that is not enough
ALONE = ", one vCPU"  # behind the name of a photo: what 1,769 MB of memory buy


def detailed(width: int, height: int) -> Image.Image:
    """A picture of this many pixels with the noise of a camera: six photographs side by side."""
    names = ("china.jpg", "astronaut.jpg", "flower.jpg", "chelsea.png", "coffee.png", "china.jpg")
    across, down = -(-width // 3), -(-height // 2)
    whole = Image.new("RGB", (width, height))
    for place, name in enumerate(names):
        whole.paste(photo(name, (across, down)), (place % 3 * across, place // 3 * down))
    grain = Image.frombytes("RGB", whole.size, random.Random(1).randbytes(width * height * 3))
    grain = grain.point([value * 13 >> 8 for value in range(256)] * 3)
    return ImageChops.subtract(
        ImageChops.add(whole, grain), Image.new("RGB", whole.size, (6, 6, 6))
    )


def landscape(*, with_person: bool) -> Image.Image:
    """12 megapixels without a face, or with one that is a twelfth of them high."""
    image = photo("china.jpg", (4240, 2828))
    if with_person:
        image.paste(photo(size=(512, 512)).resize((1200, 1200)), (2800, 1400))
    return image


PHOTOS: dict[str, Callable[[], bytes]] = {
    "12 MP JPEG": lambda: encoded(detailed(4000, 3000), "JPEG", quality=90),
    "6 MP PNG": lambda: encoded(detailed(3000, 2000), "PNG"),
    "6 MP WebP": lambda: encoded(detailed(3000, 2000), "WEBP", quality=85),
    "3 MP AVIF": lambda: encoded(detailed(2048, 1536), "AVIF", quality=70),
    "1 MP JPEG": lambda: encoded(detailed(1200, 900), "JPEG", quality=90),
    "12 MP JPEG, portrait": lambda: encoded(photo(size=(3000, 4000)), "JPEG", quality=90),
    "12 MP JPEG, no face": lambda: encoded(landscape(with_person=False), "JPEG", quality=90),
    "12 MP JPEG, small face": lambda: encoded(landscape(with_person=True), "JPEG", quality=90),
}
TWICE = ("12 MP JPEG", "12 MP JPEG, small face")  # are decoded once more to frame the face
PHOTOS |= {name + ALONE: PHOTOS[name] for name in ("12 MP JPEG, portrait", "12 MP JPEG, no face")}


def measure() -> list[dict[str, Any]]:
    """A row for every photo: what each contender took, and the ratios of the first to the others.

    `cpu`, `wall`, `memory` and `bytes` are this service's divided by the least of the others', and
    `faces_cpu` and `faces_wall` likewise where faces are framed; `ssim` is this service's less the
    greatest of the others', of the centre. In milliseconds of processor time, `framing_ms` is what
    framing faces takes, `second_ms` what decoding once more is of that, or None, `isolation_ms`
    what a process of its own takes, and `start_ms` its start.
    """
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        contenders = _contenders()
        return [
            _measure_photo(name, make(), contenders, directory) for name, make in PHOTOS.items()
        ]


def _contenders() -> dict[str, list[str]]:
    this = [sys.executable, "-m", "tests.bench.thumbnails", "--contender"]
    commands = {name: [*this, name] for name in _RENDITIONS}
    INSTALLED.mkdir(parents=True, exist_ok=True)
    if not (INSTALLED / "pyvips").exists():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *PYVIPS]
        subprocess.run([*install, "--target", str(INSTALLED / "pyvips")], check=True)
    if shutil.which("npm"):
        for name in ("package.json", "thumbnails.mjs"):
            shutil.copy(Path(__file__).parent / name, INSTALLED)
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
        subprocess.run(install, cwd=INSTALLED, check=True)
        commands["sharp"] = ["node", str(INSTALLED / "thumbnails.mjs")]
    return commands


def _measure_photo(
    name: str, data: bytes, contenders: dict[str, list[str]], directory: Path
) -> dict[str, Any]:
    file = directory / "photo"
    file.write_bytes(data)
    path = os.pathsep.join(map(str, (ROOT, ROOT / "layers" / "vignette", INSTALLED / "pyvips")))
    results: dict[str, dict[str, float]] = {}
    one_processor = ["taskset", "--cpu-list", "0"] if name.endswith(ALONE) else []
    for _ in range(ROUNDS):
        for contender, command in contenders.items():
            if contender == ONCE and name not in TWICE:
                continue
            output = directory / contender
            output.mkdir(exist_ok=True)
            done = subprocess.run(
                [*one_processor, *command, str(file), str(output), str(RUNS)],
                env={**os.environ, "PYTHONPATH": path},
                capture_output=True,
                check=True,
            )
            run = json.loads(done.stdout)
            run = {**run, "cpu_ms": min(run["cpu_ms"]), "wall_ms": min(run["wall_ms"])}
            before = results.setdefault(contender, run)
            results[contender] = {key: min(before[key], value) for key, value in run.items()}

    for contender, result in results.items():
        bodies = [directory / contender / f"{size}.webp" for size in SIZES]
        result["bytes"] = sum(body.stat().st_size for body in bodies)
        if contender not in (FACES, ONCE):  # which shows another square
            result["ssim"] = sum(likeness(file, body) for body in bodies) / len(SIZES)

    ours, faces, together = (results[each] for each in (THIS, FACES, ONE_PROCESS))
    rivals = [result for each, result in results.items() if not each.startswith(THIS)]

    def ratio(result: dict[str, float], key: str) -> float:
        return result[key] / min(rival[key] for rival in rivals)

    return {
        "photo": name,
        "contenders": results,
        "cpu": ratio(ours, "cpu_ms"),
        "wall": ratio(ours, "wall_ms"),
        "memory": ratio(ours, "peak_mib"),
        "bytes": ratio(ours, "bytes"),
        "faces_cpu": ratio(faces, "cpu_ms"),
        "faces_wall": ratio(faces, "wall_ms"),
        "framing_ms": faces["cpu_ms"] - ours["cpu_ms"],
        "second_ms": faces["cpu_ms"] - results[ONCE]["cpu_ms"] if ONCE in results else None,
        "isolation_ms": ours["cpu_ms"] - together["cpu_ms"],
        "start_ms": ours["start_ms"],
        "ssim": ours["ssim"] - max(rival["ssim"] for rival in rivals),
    }


def likeness(photo_file: Path, picture_file: Path) -> float:
    """Structural similarity of a square picture and of the middle of the photo it was made of."""
    original = Image.open(photo_file).convert("RGB")
    picture = Image.open(picture_file).convert("RGB")
    edge = min(original.size)
    left, top = (original.width - edge) / 2, (original.height - edge) / 2
    box = (left, top, left + edge, top + edge)
    return ssim(original.resize(picture.size, Image.Resampling.LANCZOS, box=box), picture)


def ssim(one: Image.Image, other: Image.Image) -> float:
    """Structural similarity (Wang et al., 2004) of two RGB images, over blocks of 8 x 8 pixels."""
    scores = []
    for a, b in zip(one.split(), other.split(), strict=True):
        x, y = a.convert("F"), b.convert("F")

        def mean(image: Image.Image) -> Image.Image:
            return image.reduce(8)

        def product(p: Image.Image, q: Image.Image) -> Image.Image:
            made = ImageMath.lambda_eval(lambda args: args["p"] * args["q"], p=p, q=q)
            assert isinstance(made, Image.Image)
            return made

        score = ImageMath.lambda_eval(
            lambda m: (
                (2 * m["x"] * m["y"] + 6.5025)
                * (2 * (m["xy"] - m["x"] * m["y"]) + 58.5225)
                / (m["x"] * m["x"] + m["y"] * m["y"] + 6.5025)
                / (m["xx"] - m["x"] * m["x"] + m["yy"] - m["y"] * m["y"] + 58.5225)
            ),
            x=mean(x),
            y=mean(y),
            xx=mean(product(x, x)),
            yy=mean(product(y, y)),
            xy=mean(product(x, y)),
        )
        assert isinstance(score, Image.Image)
        scores.append(score.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)))
    return sum(scores) / len(scores)  # type: ignore[arg-type]


def _vignette(data: bytes) -> dict[int, bytes]:
    return _bodies(process(data, Wanted(SIZES, quality=QUALITY)))


def _faces(data: bytes) -> dict[int, bytes]:
    return _bodies(process(data, Wanted(SIZES, quality=QUALITY, find_faces=True)))


def _decoded_once(data: bytes) -> dict[int, bytes]:
    isolation._PROGRAM = _DECODED_ONCE
    return _faces(data)


_DECODED_ONCE = isolation._PROGRAM.replace(
    "serve(int",
    """
from vignette.images.formats import Raster
Raster.suffices = lambda raster, box, side: not raster.rough
serve(int""",
)


def _in_one_process(data: bytes) -> dict[int, bytes]:
    return _bodies(helper.process(data, Wanted(SIZES, quality=QUALITY)))


def _bodies(result: Result) -> dict[int, bytes]:
    return {int(size): body for size, body in result.renditions.items()}


def _pyvips(data: bytes) -> dict[int, bytes]:
    pyvips = importlib.import_module("pyvips")  # without types

    # Decoded once, which is much faster than four thumbnails from the file.
    largest = pyvips.Image.thumbnail_buffer(data, 512, height=512, crop="centre").copy_memory()
    pictures = {size: largest.thumbnail_image(size, height=size) for size in SIZES}
    return {
        size: picture.webpsave_buffer(Q=QUALITY, keep="none") for size, picture in pictures.items()
    }


_RENDITIONS = {
    THIS: _vignette,
    FACES: _faces,
    ONCE: _decoded_once,
    ONE_PROCESS: _in_one_process,
    "pyvips": _pyvips,
}


def _run(contender: str, file: Path, output: Path, times: int) -> None:
    """Be a contender: write the pictures, and print what making them again and again took."""
    renditions = _RENDITIONS[contender]
    if contender == ONE_PROCESS:
        helper._set_up_heap()  # which keeps memory from photo to photo, as a function would
    data = file.read_bytes()
    for size, body in renditions(data).items():
        (output / f"{size}.webp").write_bytes(body)
    isolation.stop()
    # What a helper's children took is known when the helper has ended, and its start is no part
    # of what a photo takes.
    start = min(_cpu_of(renditions, data, 1) for _ in range(STARTS))
    cpu = 1000 * (_cpu_of(renditions, data, 1 + times) - start) / times
    renditions(data)
    wall = []
    for _ in range(times):
        started = time.perf_counter()
        renditions(data)
        wall.append(1000 * (time.perf_counter() - started))
    isolation.stop()
    (own,) = (
        int(line.split()[1])
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    peak = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
    print(
        json.dumps(
            {"cpu_ms": [cpu], "wall_ms": wall, "peak_mib": peak, "start_ms": 1000 * start - cpu}
        )
    )


def _cpu_of(renditions: Callable[[bytes], dict[int, bytes]], data: bytes, times: int) -> float:
    """Processor time, in seconds, of making the pictures this many times."""
    before = _cpu_seconds()
    for _ in range(times):
        renditions(data)
    isolation.stop()
    return _cpu_seconds() - before


def _cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contender", choices=list(_RENDITIONS), help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        file, output, times = options.arguments
        _run(options.contender, Path(file), Path(output), int(times))
        return
    print(f"{'':62}{'CPU ms':>8}{'wall ms':>9}{'MiB':>7}{'SSIM':>8}{'bytes':>8}")
    for row in measure():
        for contender, result in row["contenders"].items():
            print(
                f"{row['photo']:32}{contender:30}{result['cpu_ms']:8.0f}{result['wall_ms']:9.0f}"
                f"{result['peak_mib']:7.0f}{result.get('ssim', 0):8.4f}{result['bytes']:8.0f}"
            )
        print(
            f"{'':32}{'ratio':30}{row['cpu']:8.2f}{row['wall']:9.2f}{row['memory']:7.2f}"
            f"{row['ssim']:+8.4f}{row['bytes']:8.2f}"
        )
        print(f"{'':32}{'ratio, faces':30}{row['faces_cpu']:8.2f}{row['faces_wall']:9.2f}")
        for name in ("framing", "second", "isolation", "start"):
            if row[f"{name}_ms"] is not None:
                print(f"{'':32}{name:30}{row[f'{name}_ms']:8.1f}")


if __name__ == "__main__":
    main()
