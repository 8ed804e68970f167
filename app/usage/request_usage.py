"""What one request counts as: filled in while it is served, counted before it is answered."""

from collections import Counter
from collections.abc import Mapping, Sequence

from app.errors import InternalError
from app.token_use import UNKNOWN_TOKEN_USE, TokenUse
from app.usage.months import Month
from app.usage.report import price_field
from app.usage.store import CAPTION_FIELD, DECORATIVE_FIELD, REQUESTS_FIELD, Reservation

CLIENT_GONE = "client_gone"
"""The outcome of a request whose client disconnected before it was answered."""


class RequestUsage:
    """The outcomes and tokens of one request."""

    def __init__(self, month: Month, *, makes_captions: bool) -> None:
        """`month` is that of its arrival. Checks of texts make no captions."""
        self.month = month
        self.key_name: str | None = None
        """None until the caller is known; nothing is counted before."""
        self.reservation: Reservation | None = None
        """Captions of the key's quota that this request may deliver."""
        self.is_counted = False
        self._makes_captions = makes_captions
        self._may_have_called_model = False
        self._counts: Counter[str] = Counter()

    def begin_work(self) -> None:
        """From now on a model may be called for it."""
        self._may_have_called_model = True

    def add_caption(self, token_uses: Sequence[TokenUse], *, is_decorative: bool) -> None:
        """A caption that will be answered, and the drafts that were made for it."""
        self._counts[DECORATIVE_FIELD if is_decorative else CAPTION_FIELD] += 1
        self._add_tokens(token_uses)

    def add_problem(self, code: str, token_uses: Sequence[TokenUse] = ()) -> None:
        """A problem that will be answered, for one caption or for the whole request."""
        if self._makes_captions:
            self._counts[f"captions {code}"] += 1
            self._add_tokens(token_uses)

    def add_client_gone(self) -> None:
        """Nothing will be answered: the client has disconnected."""
        self._add_unfinished(CLIENT_GONE)

    def add_internal_error(self) -> None:
        """A bug ended it."""
        self._add_unfinished(InternalError.code)

    @property
    def has_outcome(self) -> bool:
        """Whether a caption or a problem was added."""
        return any(name.startswith("captions ") for name in self._counts)

    def counts(self) -> Mapping[str, int]:
        """Its part of each field of the usage."""
        counts = {name: count for name, count in self._counts.items() if count}
        return {REQUESTS_FIELD: 1, **counts}

    def _add_unfinished(self, outcome: str) -> None:
        """Nobody knows what its calls of a model had cost by then."""
        uses = (UNKNOWN_TOKEN_USE,) if self._may_have_called_model else ()
        self.add_problem(outcome, uses)

    def _add_tokens(self, token_uses: Sequence[TokenUse]) -> None:
        """The tokens of one caption's drafts. Unknown ones are counted as unknown, not as none."""
        has_unknown_tokens = has_unknown_cost = False
        for use in token_uses:
            tokens = {"input": use.input_tokens, "output": use.output_tokens}
            has_unknown_tokens |= None in tokens.values()
            has_unknown_cost |= use.price is None and any(n != 0 for n in tokens.values())
            for direction, count in tokens.items():
                self._counts[f"{direction}_tokens"] += count or 0
                if use.price is not None:
                    self._counts[price_field(use.price, direction)] += count or 0
        self._counts["unknown_tokens"] += has_unknown_tokens
        self._counts["unknown_cost"] += has_unknown_tokens or has_unknown_cost
