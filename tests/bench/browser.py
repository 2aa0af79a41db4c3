"""The elements in a browser: the module's size, and how long a photo of 12 megapixels takes."""

import gzip
import statistics
from tempfile import NamedTemporaryFile
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from tests.bench.runtime import ROOT
from tests.e2e.browser import FLAGS, chromium
from tests.photos import encoded, photo

_ROUNDS = 10
_MODULE = ROOT / "functions/elements/vignette.js"
# From the moment that the photo is chosen; nobody is waited for. Times are milliseconds.
_WATCH = """() => {
    const root = document.querySelector("profile-picture").shadowRoot;
    const save = root.querySelector(".save");
    const image = root.querySelector("profile-avatar").shadowRoot.querySelector("img");
    const until = async (condition) => {
        while (!condition()) await new Promise(requestAnimationFrame);
        return performance.now();
    };
    const tasks = [];
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map((task) => task.duration)))
        .observe({ type: "longtask" });
    globalThis.measured = new Promise((resolve) => {
        root.querySelector("input[type=file]").addEventListener("change", async () => {
            const [started, before] = [performance.now(), image.currentSrc];
            const framed = await until(() => !save.disabled && !save.hidden);
            save.click();
            const shown = await until(() => image.currentSrc !== before && image.complete);
            setTimeout(() => resolve({
                framed: framed - started, shown: shown - started, task: Math.max(0, ...tasks),
            }), 100);
        }, { capture: true, once: true });
    });
}"""


def size() -> int:
    """Bytes of the module as it is sent."""
    return len(gzip.compress(_MODULE.read_bytes()))


def measure(base_url: str) -> dict[str, float] | None:
    """Milliseconds (medians) to the framed circle and to the saved avatar, and the longest task.

    None where there is no browser.
    """
    executable = chromium()
    if executable is None:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        rounds = [_round(browser, base_url, at) for at in range(_ROUNDS + 1)][1:]  # one is cold
        browser.close()
    return {
        "framed": statistics.median(each["framed"] for each in rounds),
        "shown": statistics.median(each["shown"] for each in rounds),
        "task": max(each["task"] for each in rounds),
    }


def _round(browser: Browser, base_url: str, at: int) -> dict[str, Any]:
    page = browser.new_page()
    page.route("**/_page/api.html", lambda route: route.abort())  # Swagger UI has long tasks
    page.goto(base_url)
    page.locator("profile-picture").get_by_role("img").wait_for()
    page.wait_for_load_state("networkidle")
    page.evaluate(_WATCH)
    image = photo("astronaut.jpg", (4000, 3000))
    image.putpixel((0, 0), (at, at, at))  # another photo each time
    with NamedTemporaryFile(suffix=".jpg") as file:  # from a file, as a person chooses one
        file.write(encoded(image, "JPEG", quality=92))
        file.flush()
        page.locator("input[type=file]").first.set_input_files(file.name)
        measured: dict[str, Any] = page.evaluate("measured")
    page.close()
    return measured
