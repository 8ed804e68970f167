"""A model server that misbehaves on the attacker's requests and serves everybody else well.

`testing.servers.model_faults` has what it sends.
"""

from contextlib import AsyncExitStack

from benchmarks.chaos.attack import MARKER, Attack, Prepared, caption, sends
from testing.images import data_url, photograph_like

_SETTINGS = {"MODEL_TIMEOUT_S": "4"}
"""So that hanging requests end within the measurement."""
_FAULTS = frozenset({"model_timeout", "model_error"})
_PICTURES = 16


def _attack(
    name: str, what: str, fault: str, *, in_flight: int = 16, per_second: float = 20.0
) -> Attack:
    async def prepare(_stack: AsyncExitStack) -> Prepared:
        messages = [
            caption(data_url(photograph_like((320, 240), seed)), context=f"{MARKER} {seed}")
            for seed in range(_PICTURES)
        ]
        return Prepared(sends(messages, in_flight=in_flight, per_second=per_second), _SETTINGS)

    return Attack(name, what, prepare, allowed=_FAULTS, model_fault=fault)


ATTACKS = (
    _attack("model-tiny-chunks", "300,000 chunks of one byte", "tiny-chunks"),
    _attack("model-early-hints", "100,000 interim responses", "early-hints"),
    _attack("model-hangs", "no answer", "hang", in_flight=48),
    _attack("model-slow-body", "a byte in 20 ms", "drip", in_flight=48),
    _attack("model-resets", "resets each connection", "reset"),
    _attack("model-endless", "64 MiB of spaces", "endless"),
    _attack("model-two-mebibytes", "a caption of 2 MiB", "two-mebibytes"),
    _attack("model-long-text", "a caption of 20,000 characters", "long-text"),
    _attack("model-worst-text", "20,000 characters of quotes and brackets", "worst-text"),
    _attack("model-deep-json", "500,000 nested lists", "deep-json"),
    _attack("model-many-choices", "600,000 empty choices", "many-choices"),
    _attack("model-wrong-types", "numbers and lists where texts belong", "wrong-types"),
    _attack("model-far-retry-after", "429 with a Retry-After of the year 9999", "far-retry-after"),
    _attack("model-error-500", "500 on the attacker's pictures", "error-500"),
)
