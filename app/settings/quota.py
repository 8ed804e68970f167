"""The notation of quotas in the keys file: `10000/month`."""

import re

_TEXT = re.compile(r"([0-9]{1,12})/month")


def parse_quota(text: str) -> int:
    """Captions that a key may get in a calendar month (UTC); 0 allows none.

    Raises ValueError with a sentence for the operator.
    """
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a quota; write for instance 10000/month")
    return int(found[1])
