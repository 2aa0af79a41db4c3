"""Speed and cost of the service beside what its users would pick instead: `make bench`.

Prints a table of ratios and one of costs, and writes all that was measured to `.local/bench.json`.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from tests.bench import bill, browser, cold_start, cost, faces, runtime, thumbnails, tricks, warm
from tests.bench.contest import entries
from tests.bench.stack import running
from tests.bench.tables import table

RESULTS = runtime.LOCAL / "bench.json"
_WARM = ("boto3 GET", "boto3 PATCH", "GET user, key", "PATCH user, token")

type Row = dict[str, Any]


def main() -> None:
    """Measure everything, print it and write it down."""
    results: dict[str, Any] = {"cold": [], "warm": []}
    if sys.platform == "linux":
        _say("Building and deploying")
        runtime.reset()
        with running() as stack:
            contest = entries(stack)
            _say("Cold starts")
            results["cold"] = cold_start.measure(contest)
            _say("Warm requests")
            results["warm"] = warm.measure([each for each in contest if each.name in _WARM])
            _say("In the browser")
            results["browser"] = browser.measure(stack.base_url)
        results["bytes"] = {**cost.sizes(), "elements/vignette.js, gzip": browser.size()}
        _say("Tricks")
        results["tricks"] = tricks.measure()
    else:
        _say("Starts and requests are left out: AWS's emulator of the runtime needs Linux")
    _say("Costs")
    results["cost"] = cost.measure()
    _say("Thumbnails")
    results["thumbnails"] = thumbnails.measure()
    _say("Faces")
    results["faces"] = [asdict(row) for row in faces.measure()]
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(
        f"\n{_ratios(results)}\n\n{_costs(results['cost'])}\n\n{_bill(results['cost'])}"
        f"\n\n{_sizes(results.get('bytes', {}))}"
        f"\n\n{_browser(results.get('browser'))}\n\n{_faces(results['faces'])}"
        f"\n\n{_parts(results['thumbnails'])}"
        f"\n\n{tricks.described(results.get('tricks', []))}"
    )
    start = min(row["start_ms"] for row in results["thumbnails"])
    print(f"\nA decoder adds {start:.0f} ms of CPU to the cold start of a function.")
    print(f"\nAll that was measured: {RESULTS.relative_to(runtime.ROOT)}")


def _ratios(results: dict[str, Any]) -> str:
    return table(
        ["", "compared with", "time", "CPU", "memory", "aim"],
        [*_cold(results["cold"]), *_warm(results["warm"]), *_photos(results["thumbnails"])],
    )


def _cold(rows: Sequence[Row]) -> Iterator[list[str]]:
    for row in _own(rows):
        aims = [("boto3", 1.3 if "user" in row["request"] else 1.6), ("FastAPI", 0.65)]
        for rival, aim in [("boto3", 1.5)] if row["verb"] == "photo" else aims:
            other = _rival(rows, rival, row)
            ratios = [f"{row[key] / other[key]:.2f}" for key in ("wall", "cpu", "memory")]
            known = rival == "boto3" or "user" in row["request"]
            yield [
                f"cold {row['request']}",
                rival,
                *ratios,
                f"time ≤ {aim}" if known else "",
            ]


def _warm(rows: Sequence[Row]) -> Iterator[list[str]]:
    for row in _own(rows):
        other = _rival(rows, "boto3", row)
        ratios = (row[key] / other[key] for key in ("p50", "cpu", "late"))
        name = f"warm {row['request']}"
        yield [f"{name}, p50", "boto3", *(f"{ratio:.2f}" for ratio in ratios), "time ≤ 1.25"]
        spread, other_spread = (each["p99"] / each["p50"] for each in (row, other))
        yield [
            f"{name}, p99",
            f"its p50 (boto3: {other_spread:.1f})",
            f"{spread:.2f}",
            "",
            "",
            "time ≤ 2",
        ]
        growth = row["late"] / row["early"]
        yield [name, "a tenth of the requests", "", "", f"{growth:.3f}", "memory ≤ 1"]


def _photos(rows: Sequence[Row]) -> Iterator[list[str]]:
    for row in rows:
        ours = thumbnails.THIS
        rivals = sorted(each for each in row["contenders"] if not each.startswith(ours))
        name, better = f"photo {row['photo']}", f"the better of {' and '.join(rivals)}"
        yield [
            name,
            better,
            f"{row['wall']:.2f}",
            f"{row['cpu']:.2f}",
            f"{row['memory']:.2f}",
            "time ≤ 0.7, CPU ≤ 1, memory ≤ 1; "
            f"here SSIM {row['ssim']:+.4f}, bytes × {row['bytes']:.2f}",
        ]
        ratios = (f"{row['faces_wall']:.2f}", f"{row['faces_cpu']:.2f}", "")
        yield [f"{name}, faces framed", better, *ratios, "with a large face: time ≤ 0.8, CPU ≤ 1"]


def _parts(rows: Sequence[Row]) -> str:
    return table(
        [
            "CPU ms of a photo",
            "all",
            "framing faces; aim ≤ 80 without one",
            "of that, a second decode",
            "a process of its own; aim ≤ 3 or 5 %",
        ],
        [
            [
                row["photo"],
                f"{row['contenders'][thumbnails.FACES]['cpu_ms']:.0f}",
                f"{row['framing_ms']:.0f}",
                "" if row["second_ms"] is None else f"{row['second_ms']:.0f}",
                f"{row['isolation_ms']:.1f}",
            ]
            for row in rows
        ],
    )


def _costs(rows: Sequence[Row]) -> str:
    return table(
        ["a million times", "AWS calls", "read units", "write units", "$, 1 user", "$, 100,001"],
        [
            [
                row["operation"],
                f"{sum(row['calls'].values())}",
                f"{row['read_units']:g}",
                f"{row['write_units']:g}",
                f"{row['dollars_per_million']:.2f}",
                f"{row['dollars_per_million_in_a_crowd']:.2f}",
            ]
            for row in rows
        ],
    )


def _bill(rows: Sequence[Row]) -> str:
    return table(*bill.rows({row["operation"]: row["dollars_by_service"] for row in rows}))


def _sizes(sizes: dict[str, int]) -> str:
    return table(["zipped", "KiB"], [[name, f"{size / 1024:.1f}"] for name, size in sizes.items()])


def _browser(row: dict[str, float] | None) -> str:
    if row is None:
        return "In the browser: not measured, there is none"
    aims = {
        "framed": ("from choosing 12 megapixels to the framed circle", 1500),
        "shown": ("to the saved avatar", 2500),
        "task": ("the longest task of the main thread", 100),
    }
    return table(
        ["in the browser", "ms", "aim"],
        [[text, f"{row[name]:.0f}", f"≤ {aim}"] for name, (text, aim) in aims.items()],
    )


def _faces(rows: Sequence[Row]) -> str:
    return table(
        ["photos of people", "photos", "a face found", "room for whole heads", "whole heads"],
        [
            [row["kind"], *(f"{row[name]}" for name in ("photos", "found", "room", "whole"))]
            for row in rows
        ],
    )


def _own(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row["request"].startswith(("no-op", "boto3", "FastAPI"))]


def _rival(rows: Sequence[Row], name: str, row: Row) -> Row:
    """The row of another contender that does what this row does."""
    (found,) = (each for each in rows if each["request"] == f"{name} {row['verb']}")
    return found


def _say(text: str) -> None:
    print(f"==> {text}", flush=True)


if __name__ == "__main__":
    main()
