"""Replays real raw answers of models through the running API and counts what they become.

    .venv/bin/python -m benchmarks.captions --answers answers.jsonl

Each line of the file is a JSON object whose `output` is a model's raw answer. A model server that
only repeats gives it to the real server in every style, also on the second request. Prints how many
captions came out, how many second requests were made, how many drafts each rule rejected, and which
captions break a rule according to three checks that share no code with the product. `--captions`
writes the captions down for reading.
"""

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from testing.answer_replay import STYLES, ReplayResult, find_violations, replay
from testing.servers.altwright import Altwright
from testing.servers.replay_model_server import ReplayModelServer


def _print_table(results: Sequence[ReplayResult], second_requests: int) -> None:
    for style in STYLES:
        of_style = [one for one in results if one.style == style]
        outcomes = Counter(one.outcome for one in of_style)
        rejected = Counter(code for one in of_style for code in one.reasons)
        warned = Counter(code for one in of_style for code in one.warnings)
        print(f"\n{style}: {len(of_style)} answers")
        for name, counts in (("outcome", outcomes), ("rejected by", rejected), ("warned", warned)):
            for code, count in counts.most_common():
                print(f"  {name:<12} {code:<26} {count:>5}  {count / len(of_style):7.2%}")
    print(f"\nsecond requests: {second_requests}")


def _write_captions(results: Sequence[ReplayResult], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for one in results:
            if one.outcome == "caption":
                row = {
                    "row": one.row,
                    "style": one.style,
                    "caption": one.caption,
                    "truncated": one.truncated,
                    "warnings": one.warnings,
                }
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def main() -> int:
    """Replay, count and check. The exit code is 1 where a caption breaks a rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    corpora = os.environ.get("ALTWRIGHT_TEST_CORPORA")
    parser.add_argument(
        "--answers",
        type=Path,
        required=corpora is None,
        default=None if corpora is None else Path(corpora) / "vlm_outputs.jsonl",
        help="JSON lines with an `output`; by default of the folder ALTWRIGHT_TEST_CORPORA",
    )
    parser.add_argument("--every", type=int, default=1, help="only every Nth answer")
    parser.add_argument("--locale", default="en")
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--finish-reason", default="stop", choices=["stop", "length"])
    parser.add_argument("--captions", type=Path, help="write the captions here, as JSON lines")
    arguments = parser.parse_args()
    lines = arguments.answers.read_text(encoding="utf-8").splitlines()
    answers = [str(json.loads(line)["output"]) for line in lines]
    rows = range(0, len(answers), arguments.every)
    with (
        ReplayModelServer(answers, arguments.finish_reason) as model,
        Altwright(MODEL="replay", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="none") as server,
    ):
        results = asyncio.run(
            replay(server.url, rows, locale=arguments.locale, max_tokens=arguments.max_tokens)
        )
        _print_table(results, model.retries.total())
    if arguments.captions:
        _write_captions(results, arguments.captions)
    violations = find_violations(results, arguments.locale)
    print(f"captions that break a rule according to an independent check: {len(violations)}")
    for one, codes in violations:
        print(f"  row {one.row} {one.style} {', '.join(codes)}: {one.caption}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
