# SPDX-License-Identifier: GPL-3.0-or-later
"""What the row `real` found, as the tables of docs/bench.md (between two marks) and as a picture
beside it: time and memory over the model's size, and time over the rows of a step. Run as a
program, it takes them from a file that `--json` wrote: real_report.py FIGURES.json DOCS."""
import html
import json
import math
import sys
from pathlib import Path

import page

PICTURE = "real-sizes.svg"
GIB = 2**30
COLOURS = ("#1f6feb", "#d1480f", "#2b8a3e", "#8250df")
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 330, 290, 52, 44, 14, 46     # of one panel


def done(model, **wanted):
    """The runs of a model that were made, with these settings."""
    return [each for each in model["runs"] if "skipped" not in each and
            all(each[key] == value for key, value in wanted.items())]


def ticks(low, high):
    """1, 2 and 5 of each power of ten from `low` to `high`."""
    found = [digit * 10.0**power for power in range(math.floor(math.log10(low)) - 1,
                                                    math.ceil(math.log10(high)) + 1)
             for digit in (1, 2, 5)]
    return [tick for tick in found if low <= tick * 1.0001 and tick <= high * 1.0001]


def label(value):
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def panel(at, title, below, series, bottoms=None):
    """SVG of one diagram, both axes logarithmic. `series`: [(name, colour,
    [(x, y)])]; `bottoms`: the marks of the lower axis."""
    points = [point for _, _, line in series for point in line]
    x_low, x_high = min(x for x, _ in points) / 1.3, max(x for x, _ in points) * 1.3
    y_low, y_high = min(y for _, y in points) / 1.4, max(y for _, y in points) * 1.4
    y_high *= (y_high / y_low) ** (0.08 * len(series))         # room for the names

    def place(x, y):
        across = math.log(x / x_low) / math.log(x_high / x_low)
        up = math.log(y / y_low) / math.log(y_high / y_low)
        return (at + LEFT + across * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM))

    out = [f'<text x="{at + LEFT}" y="20" font-weight="bold">{title}</text>',
           f'<text x="{at + (WIDTH + LEFT - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">'
           f'{below}</text>']
    for y in ticks(y_low, y_high):
        left, height = place(x_low, y)
        out.append(f'<line x1="{left:.1f}" y1="{height:.1f}" x2="{at + WIDTH - RIGHT}" '
                   f'y2="{height:.1f}" stroke="#d8dee4"/>')
        out.append(f'<text x="{left - 6:.1f}" y="{height + 4:.1f}" text-anchor="end">{label(y)}'
                   '</text>')
    for x in bottoms or ticks(x_low, x_high):
        left, height = place(x, y_low)
        out.append(f'<text x="{left:.1f}" y="{height + 16:.1f}" text-anchor="middle">{label(x)}'
                   '</text>')
    for index, (name, colour, line) in enumerate(series):
        places = [place(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        height = TOP + 2 + 15 * index
        out.append(f'<text x="{at + LEFT + 8}" y="{height}" fill="{colour}">{name}</text>')
    return "\n".join(out)


def picture(found):
    models = found["models"]

    def over_size(value, **wanted):
        return [(model["parameters"] / 1e6, value(runs[0])) for model in models.values()
                if (runs := done(model, strategy="lora", batch=1, **wanted))]

    dtypes = [dtype for dtype in ("bfloat16", "float32")
              if over_size(lambda run: 1, dtype=dtype)]
    time = [(dtype, COLOURS[index], over_size(
        lambda run: 1000 / run["tokens_per_second"], dtype=dtype))
            for index, dtype in enumerate(dtypes)]
    memory = [(f"resident, {dtypes[0]}", COLOURS[0],
               over_size(lambda run: run["peak_bytes"] / GIB, dtype=dtypes[0])),
              ("forecast", COLOURS[1],
               over_size(lambda run: run["forecast_bytes"] / GIB, dtype=dtypes[0]))]
    rows = [(name, COLOURS[index % len(COLOURS)],
             [(run["batch"], run["step_seconds"])
              for run in done(model, strategy="lora", dtype=dtypes[0])])
            for index, (name, model) in enumerate(models.items())]
    about = found["machine"]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{3 * WIDTH}" height="{HEIGHT + 22}" '
        'font-family="sans-serif" font-size="12" fill="#24292f">',
        f'<rect width="{3 * WIDTH}" height="{HEIGHT + 22}" fill="white"/>',
        panel(0, "Seconds for 1,000 tokens", "million parameters", time),
        panel(WIDTH, "Peak, GiB", "million parameters", memory),
        panel(2 * WIDTH, f"Seconds a step, {dtypes[0]}", "rows a step", rows, (1, 2, 4)),
        f'<text x="{LEFT}" y="{HEIGHT + 12}" fill="#57606a">LoRA, one picture a row; '
        f'{html.escape(about["processor"])}, {about["threads"]} threads, {about["date"]}</text>',
        "</svg>"]) + "\n"


def tables(found):
    about = found["machine"]
    lines = [
        f"Measured on {about['date']}: {about['processor']} ({', '.join(about['instructions'])}), "
        f"{about['threads']} threads, {about['memory_bytes'] / GIB:.0f} GiB.", "",
        f"![Time and memory over size and rows](pictures/{PICTURE})", "",
        "| model | training | rows | s a step | tokens/s | first step after | saved in | forecast, GiB "
        "| tensors | resident | of the forecast |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    for name, model in found["models"].items():
        for run in model["runs"]:
            start = f"| {name} | {run['strategy']}, {run['dtype']} | {run['batch']} | "
            if "skipped" in run:
                lines.append(f"{start}left out: {run['skipped']} | | | | | | | |")
                continue
            lines.append(
                f"{start}{run['step_seconds']:.2f} | {run['tokens_per_second']:,.0f} | "
                f"{run['to_first_step_seconds']:.0f} s | {run['saving_seconds']:.1f} s | "
                f"{run['forecast_bytes'] / GIB:.2f} | {run['tensors_bytes'] / GIB:.2f} | "
                f"{run['peak_bytes'] / GIB:.2f} | {run['peak_bytes'] / run['forecast_bytes']:.2f} × |")
    lines += ["", "| model | parameters | files, GiB | info | plan | loading | first token | tokens/s "
              "after it | merge |", "|---|---|---|---|---|---|---|---|---|"]
    for name, model in found["models"].items():
        answers = [(run["dtype"], run["answer"]) for run in model["runs"] if "answer" in run]
        merge = model.get("merge")

        def listed(key):
            unit = " s" if key.endswith("seconds") else ""
            return ", ".join(f"{answer[key]:.1f}{unit} ({dtype})" for dtype, answer in answers)

        lines.append(
            f"| {name} | {model['parameters'] / 1e6:,.0f} M | {model['file_bytes'] / GIB:.2f} | "
            f"{model['info_seconds']:.1f} s | {model['runs'][0]['plan_seconds']:.1f} s | "
            + " | ".join(listed(key) for key in ("loading_seconds", "first_seconds",
                                                 "tokens_per_second"))
            + " | " + (f"{merge['seconds']:.0f} s, {merge['peak_bytes'] / GIB:.1f} GiB" if merge
                       else "–") + " |")
    return "\n".join(lines)


def write(found, docs: Path):
    page.fill(docs, "real", tables(found))
    (docs / "pictures" / PICTURE).write_text(picture(found))


if __name__ == "__main__":
    figures = json.loads(Path(sys.argv[1]).read_text())
    write(figures.get("real", figures), Path(sys.argv[2]))
