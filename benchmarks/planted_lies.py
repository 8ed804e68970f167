"""How soon a reviewer meets the lies of a model: `python -m benchmarks.planted_lies`.

Backfills a catalogue of drawn signs with `--verify`, through the real server, from a fake model:
it tells the truth about most of them, lies about some (another text, another digit or another
colour, in turn), and is uncertain about every twentieth. Every tenth true caption breaks a soft
rule, so that others compete for the first places. Then counts the lies among the first cards of the
review page. Needs the extra `embedded`.
"""

import argparse
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altwright.backfill.journal.journal import Journal
from altwright.backfill.review.doubt import Doubt, doubt_of
from altwright.backfill.review.selection import select_rows

from benchmarks.verification import draw_signs, write_captions
from testing.catalogue import BackfillCommand, blank_row, write_csv
from testing.servers.altwright import Altwright
from testing.servers.chat_completions_server import (
    ChatCompletionsServer,
    chat_completion,
    message_texts,
)

KINDS = ("text", "digits", "any colour")
UNCERTAIN_EVERY, WARNED_EVERY = 20, 10
LONG = " It hangs on a wall beside a door, and below it there is nothing else that can be seen."
"""Makes a caption longer than a screen reader likes, which is a soft rule."""
_ROW = re.compile(r"row-(\d+)")


@dataclass(frozen=True, slots=True)
class PlantedSign:
    """A picture, and what the model says of it."""

    jpeg: bytes
    caption: str
    is_lie: bool


class Model(ChatCompletionsServer):
    """Answers with the caption of the row that the prompt names."""

    def __init__(self, signs: list[PlantedSign]) -> None:
        super().__init__()
        self._signs = signs

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        found = _ROW.search("\n".join(message_texts(body)))
        return chat_completion(self._signs[int(found[1])].caption if found else "UNCERTAIN")


def plant(pictures: int, lies: int, seed: int) -> Iterator[PlantedSign]:
    """The signs; which of them are lied about is drawn."""
    chance = random.Random(seed)
    lied_about = set(chance.sample(range(pictures), lies))
    for number, sign in enumerate(draw_signs(pictures, chance)):
        captions = {
            kind: text for locale, kind, text in write_captions(sign, chance) if locale == "en"
        }
        if number in lied_about:
            kind = KINDS[sorted(lied_about).index(number) % len(KINDS)]
            yield PlantedSign(sign.jpeg, captions[kind], is_lie=True)
        elif number % UNCERTAIN_EVERY == 0:
            yield PlantedSign(sign.jpeg, "UNCERTAIN", is_lie=False)
        else:
            extra = LONG if number % WARNED_EVERY == 1 else ""
            yield PlantedSign(sign.jpeg, captions[""] + extra, is_lie=False)


def backfill(signs: list[PlantedSign], folder: Path) -> Path:
    """Run the command on all signs; returns the journal."""
    for number, sign in enumerate(signs):
        (folder / f"{number}.jpg").write_bytes(sign.jpeg)
    rows = (blank_row(number, f"{number}.jpg") for number in range(len(signs)))
    write_csv(folder / "in.csv", rows)
    with (
        Model(signs) as model,
        Altwright(
            MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="k", VERIFY="warn"
        ) as server,
    ):
        command = BackfillCommand(server.url, folder)
        summary = command.run_json(
            "in.csv", "--base", str(folder), "--to", "out.csv", "--verify", "-j", "2"
        )
    print(f"outcomes: {summary['outcomes']}, {summary['held']} held, {summary['seconds']} s")
    return folder / "out.csv.journal"


def main() -> int:
    """Plant, backfill and count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--lies", type=int, default=20)
    parser.add_argument("--first", type=int, default=25, help="cards that are looked at")
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    signs = list(plant(arguments.pictures, arguments.lies, arguments.seed))
    with tempfile.TemporaryDirectory() as folder:
        journal_path = backfill(signs, Path(folder))
        with Journal.read(journal_path) as journal:
            rows = select_rows(journal).rows
    cards = [(signs[int(row.file_name.removesuffix(".jpg"))], outcome) for row, outcome in rows]
    found = sum(sign.is_lie for sign, _ in cards[: arguments.first])
    print(f"{found} of {arguments.lies} lies are among the first {arguments.first} cards")
    doubted = [sign for sign, outcome in cards if doubt_of(outcome) is Doubt.CONTRADICTED]
    alarms = sum(not sign.is_lie for sign in doubted)
    print(f"{len(doubted)} texts are contradicted, {alarms} of them true")
    for number, (sign, _) in enumerate(cards, 1):
        if sign.is_lie and number > arguments.first:
            print(f"card {number}: {sign.caption}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
