"""The picture of what framing misses: each such photo, and the circle that is shown instead.

    PYTHONPATH=layers/vignette python -m tools.misses

writes `docs/framing-misses.webp` from the photos of `make bench` that may be redistributed.
"""

import io
from pathlib import Path

from PIL import Image, ImageDraw
from tests.bench.faces import misses

SHEET = Path(__file__).parents[1] / "docs" / "framing-misses.webp"

# Pixels.
MARGIN, HEIGHT = 16, 240
MARK = "#dc2626"


def main() -> None:
    """Draw the sheet."""
    pairs = []
    for scene, shown in misses():
        image = Image.open(io.BytesIO(scene.data)).convert("RGB")
        scale = HEIGHT / image.height
        image = image.resize((round(scale * image.width), HEIGHT), Image.Resampling.LANCZOS)
        canvas = ImageDraw.Draw(image)
        for head in scene.heads:
            canvas.polygon(list(head.outline(*image.size)), outline=MARK, width=2)
        side = HEIGHT // 2
        mask = Image.new("L", (4 * side, 4 * side))
        ImageDraw.Draw(mask).ellipse((0, 0, 4 * side - 1, 4 * side - 1), fill=255)
        circle = shown.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
        pairs.append((image, circle, mask.resize((side, side), Image.Resampling.LANCZOS)))
    width = max(image.width + circle.width for image, circle, _ in pairs) + 3 * MARGIN
    sheet = Image.new("RGB", (width, len(pairs) * (HEIGHT + MARGIN) + MARGIN), "white")
    for number, (image, circle, mask) in enumerate(pairs):
        top = MARGIN + number * (HEIGHT + MARGIN)
        sheet.paste(image, (MARGIN, top))
        place = (2 * MARGIN + image.width, top + (HEIGHT - circle.height) // 2)
        sheet.paste(circle, place, mask)
    sheet.save(SHEET, "WEBP", quality=85, method=6)


if __name__ == "__main__":
    main()
