"""Accuracy of the embedded captioner: `python -m benchmarks.embedded`.

Without arguments it evaluates images drawn by `testing.labelled_images`. `--labels FILE` evaluates
your own images: a JSON object of path (relative to the file) to {"words", "kinds", "colours",
"verdict"}, all optional: the words in the image in one string, the categories that are right, the
main colours that are right, and "picture", "decorative" or "uncertain". `--sightings FOLDER...`
counts in how many labelled pictures the right thing is named, a wrong one, or none; each folder has
a `labels.jsonl` as `testing/picture_labels.py` describes it. `--page FOLDER IMAGE...` writes a page
with each image, or each image of a folder, beside its captions in every language and their
warnings, to be looked at. Needs the extra `embedded`.
"""

import argparse
import html
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from app.validation.verdict import validate_text
from testing.embedded_evaluation import (
    InProcessVision,
    captions,
    evaluate,
    format_report,
    normalise,
)
from testing.labelled_images import LabelledImage, draw_labelled_images
from testing.sightings_evaluation import evaluate_folders, format_scores


def read_labels(labels: Path) -> Iterator[LabelledImage]:
    """The images of a label file."""
    for name, label in json.loads(labels.read_text("utf-8")).items():
        with Image.open(labels.parent / name) as image:
            image.load()
        verdict = label.get("verdict", "picture")
        yield LabelledImage(
            name,
            image,
            words=tuple(str(label.get("words", "")).split()),
            categories=tuple(label.get("kinds", ())),
            colours=tuple(label.get("colours", ())),
            triage="describable" if verdict == "picture" else verdict,
        )


def write_page(folder: Path, paths: Iterable[Path]) -> Path:
    """Writes an HTML page of images beside their captions, and copies the images to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    vision, rows = InProcessVision(), []
    for number, path in enumerate(_find_images(paths)):
        with Image.open(path) as image:
            image.load()
        features = vision.analyse(image)
        copy = f"{number:03}.jpg"
        (folder / copy).write_bytes(normalise(image))
        summary = f"{features.triage} {features.triage_reason} {features.category}"
        lines = [f"<b>{html.escape(path.name)}</b> {summary}"]
        if features.triage == "describable":
            for locale, style, text in captions(features):
                if locale == "en" or style.name == "concise":
                    label = f"{locale} {style.name}"
                    warnings = validate_text(text, style=style, locale=locale).warnings
                    flags = "".join(f" <u>{warning}</u>" for warning in warnings)
                    lines.append(f"<i>{label} ({len(text)})</i> {html.escape(text)}{flags}")
        rows.append(f'<tr><td><img src="{copy}"><td>' + "<br>".join(lines))
    page = folder / "index.html"
    css = (
        "<style>body{font:15px sans-serif}img{max-width:300px;max-height:300px;background:#eee}"
        "td{vertical-align:top;padding:8px;border-top:1px solid #999}</style>"
    )
    page.write_text(
        f"<!doctype html><meta charset=utf-8><title>Captions</title>{css}"
        f"<table>{''.join(rows)}</table>",
        encoding="utf-8",
    )
    return page


def _find_images(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that Pillow can open, those of folders in the order of their names."""
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            try:
                with Image.open(file):
                    yield file
            except (UnidentifiedImageError, OSError):
                continue


def main() -> int:
    """Runs the command. Returns 1 if a caption is invalid."""
    parser = argparse.ArgumentParser(description="Evaluate the embedded captioner.")
    parser.add_argument("--labels", type=Path, help="a JSON file of your own labels")
    parser.add_argument(
        "--sightings", type=Path, nargs="+", metavar="FOLDER", help="score what is named in them"
    )
    parser.add_argument("--page", type=Path, metavar="FOLDER", help="write a page into it")
    parser.add_argument("images", type=Path, nargs="*", help="images of the page, or folders")
    arguments = parser.parse_args()
    if arguments.page:
        print(write_page(arguments.page, arguments.images))
        return 0
    if arguments.sightings:
        print(format_scores(evaluate_folders(arguments.sightings)))
        return 0
    images = read_labels(arguments.labels) if arguments.labels else draw_labelled_images()
    results = evaluate(images)
    print(format_report(results))
    return 1 if results.invalid_captions else 0


if __name__ == "__main__":
    sys.exit(main())
