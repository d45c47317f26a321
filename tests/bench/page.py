# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/bench.md, whose tables are made by the rows: each has a place there between two marks."""


def fill(docs, row, text):
    """Writes `text` between the marks of `row`."""
    page = docs / "bench.md"
    begin, end = f"<!-- {row}: begin -->", f"<!-- {row}: end -->"
    before, rest = page.read_text().split(begin)
    _, after = rest.split(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def measured_on(about):
    """The sentence in front of a table; `about` is of real.machine()."""
    return (f"Measured on {about['date']}: {about['processor']} "
            f"({', '.join(about['instructions'])}), {about['threads']} threads.")
