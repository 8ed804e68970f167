"""What verification costs a caption: `python -m benchmarks.verification_cost`.

Starts the real server with a fake model that takes a second and says what a case wants, and sends
it one drawn picture after another, no two the same, since the evidence about a picture is kept.
Prints the processor time of the server and its child processes for a caption, and how much longer
than the model a caption takes, medians over the pictures. Needs the extra `embedded`.
"""

import argparse
import os
import random
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.verification import draw_signs
from testing import process_tree
from testing.images import data_url
from testing.servers.altwright import Altwright
from testing.servers.chat_completions_server import ChatCompletionsServer, chat_completion

WARM_UPS = 2
CASES = {
    "not verified": (False, 'A blue dog beside a sign that reads "OPEN DAILY".'),
    "nothing is claimed": (True, "An entrance with a handle, a lock and two hinges."),
    "a colour": (True, "A blue entrance with a handle, a lock and two hinges."),
    "a colour and a thing": (True, "A blue dog beside a handle, a lock and two hinges."),
    "a quotation": (True, 'An entrance with the word "OPEN DAILY" above two hinges.'),
    "all of them": (True, 'A blue dog beside a sign that reads "OPEN DAILY".'),
}


class SlowModel(ChatCompletionsServer):
    """Answers every call with one text after some seconds."""

    def __init__(self, delay_s: float) -> None:
        super().__init__()
        self.text = ""
        self._delay_s = delay_s

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        del body
        time.sleep(self._delay_s)
        return chat_completion(self.text)


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians over the captions of one case."""

    cpu_ms: float
    added_ms: float
    """Of latency, beside the model's own time."""


def measure(server: Altwright, images: list[str], *, verify: bool, delay_s: float) -> Cost:
    """The cost of a caption for each of these images, which nobody has sent before."""
    cpu_ms, added_ms = [], []
    for image in images:
        cpu_before_s = process_tree.tree_cpu_s(server.process.pid)
        started_s = time.perf_counter()
        server.caption(image, verify=verify).raise_for_status()
        added_ms.append((time.perf_counter() - started_s - delay_s) * 1000)
        cpu_ms.append((process_tree.tree_cpu_s(server.process.pid) - cpu_before_s) * 1000)
    return Cost(statistics.median(cpu_ms), statistics.median(added_ms))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=15, help="of each case")
    parser.add_argument("--delay", type=float, default=1.0, help="seconds that the model takes")
    arguments = parser.parse_args()
    count = arguments.pictures + WARM_UPS
    signs = draw_signs(count * len(CASES), random.Random(3))
    images = [data_url(sign.jpeg) for sign in signs]
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"{'the caption claims':22}{'processor time':>16}{'beside the model':>19}")
    with (
        SlowModel(arguments.delay) as model,
        Altwright(
            MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="k", VERIFY="warn"
        ) as server,
    ):
        for number, (name, (verify, text)) in enumerate(CASES.items()):
            model.text = text
            own = images[number * count : (number + 1) * count]
            measure(server, own[:WARM_UPS], verify=verify, delay_s=arguments.delay)
            cost = measure(server, own[WARM_UPS:], verify=verify, delay_s=arguments.delay)
            print(f"{name:22}{cost.cpu_ms:13.0f} ms{cost.added_ms:16.0f} ms", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
