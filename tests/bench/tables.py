"""Tables of figures."""

from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that reads well as text and as Markdown: words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    words = [not any(row[at][:1].isdigit() for row in rows) for at in range(len(heads))]
    rule = [
        "-" * width if word else "-" * (width - 1) + ":"
        for width, word in zip(widths, words, strict=True)
    ]
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if word else cell.rjust(width)
            for cell, width, word in zip(row, widths, words, strict=True)
        )
        + " |"
        for row in (heads, rule, *rows)
    )
