"""What was measured of one attack, and whether the server stood it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from testing import load

MAX_SLOWDOWN, ALLOWANCE_MS = 2.0, 20.0
"""The good caller's p99 beside an attack: at most twice that alone plus 20 ms."""
MAX_MEMORY_MIB = 1024
"""Promise 3 of docs/security.md."""
_GOOD_CODES = frozenset({"ok"})


@dataclass(frozen=True, slots=True)
class Window:
    """What the good caller saw for a few seconds."""

    latencies_s: tuple[float, ...]
    health_s: tuple[float, ...] = ()
    """Of GET /healthz."""
    codes: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Window") -> "Window":
        return Window(
            self.latencies_s + other.latencies_s,
            self.health_s + other.health_s,
            Counter(self.codes) + Counter(other.codes),
        )

    def p50_ms(self) -> float:
        """Median latency of captions and checks."""
        return load.percentile(self.latencies_s, 0.5) * 1000

    def p99_ms(self) -> float:
        """99th percentile of their latency."""
        return load.percentile(self.latencies_s, 0.99) * 1000

    def health_p99_ms(self) -> float:
        """99th percentile of /healthz."""
        return load.percentile(self.health_s, 0.99) * 1000

    def failures(self) -> dict[str, int]:
        """The answers that were no 200, by code."""
        return {code: count for code, count in self.codes.items() if code not in _GOOD_CODES}


@dataclass(frozen=True, slots=True)
class Row:
    """The measurements of one attack."""

    name: str
    what: str
    alone: tuple[Window, ...]
    """Windows of the same length without the attack; their difference is the noise."""
    beside: Window
    attacker_sent: int
    attacker_codes: Mapping[str, int]
    peak_mib: float
    server_cores: float = 0.0
    """Processor time that the server took beside the attack, for each second."""
    attacker_cores: float = 0.0
    """The same of the attacker with its origins, which a real one takes of another machine."""
    allowed: frozenset[str] = frozenset()

    def alone_together(self) -> Window:
        """All windows without the attack."""
        return sum(self.alone[1:], self.alone[0])

    def limit_ms(self) -> float:
        """What the good caller's p99 beside the attack may be."""
        return MAX_SLOWDOWN * self.alone_together().p99_ms() + ALLOWANCE_MS

    def faults(self) -> list[str]:
        """A sentence for each promise that was broken; empty where the server stood the attack."""
        unexpected = self.unexpected_codes()
        failures = self.beside.failures() | self.alone_together().failures()
        broken = (
            (self.beside.p99_ms() <= self.limit_ms(), f"p99 over {self.limit_ms():.0f} ms"),
            (not failures, f"the good caller got {_listed(failures)}"),
            (not unexpected, f"the attacker got {_listed(unexpected)}"),
            (self.peak_mib <= MAX_MEMORY_MIB, f"memory over {MAX_MEMORY_MIB} MiB"),
        )
        return [sentence for kept, sentence in broken if not kept]

    def unexpected_codes(self) -> dict[str, int]:
        """The attacker's answers of status 5xx but 503 that the contract does not name."""
        return {
            name: count
            for name, count in self.attacker_codes.items()
            if name.startswith("5")
            and not name.startswith("503")
            and name.partition(" ")[2] not in self.allowed
        }


def _listed(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {code}" for code, count in codes.items())
