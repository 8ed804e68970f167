"""Floods of POST /v1/caption/check: long texts, the worst ones for the rules, every language."""

from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from random import Random

from benchmarks.chaos.attack import ATTACKER_KEYS, Attack, Prepared, sends
from testing import load

_MAX_CHARS = 5_000
_AT_ONCE, _PER_SECOND = 54, 60.0
_LOCALES = (
    "ar", "bs", "cs", "da", "de", "en", "es", "fi", "fr", "hr", "hu", "it", "ja", "ko", "nb", "nl",
    "pl", "pt", "ru", "sl", "sr", "sv", "tr", "uk", "zh",
)  # fmt: skip
_STYLES = ("concise", "seo", "detailed")
_WORDS = ("wooden", "bench", "beside", "gravel", "path", "park", "with", "tall", "green", "trees")


def _prose(seed: int) -> str:
    rng = Random(seed)
    text = ""
    while len(text) < _MAX_CHARS:
        text += " ".join(rng.choices(_WORDS, k=12)).capitalize() + ". "
    return text[:_MAX_CHARS]


def _check(text: str, style: str, locale: str, context: str | None = None) -> bytes:
    body = {"caption": text[:_MAX_CHARS], "style": style, "locale": locale, "context": context}
    return load.http_request(
        "POST", "/v1/caption/check", body, Authorization=f"Bearer {ATTACKER_KEYS[0]}"
    )


def _long_texts() -> Iterable[bytes]:
    return (_check(_prose(seed), _STYLES[seed % 3], "en") for seed in range(_AT_ONCE))


def _locales() -> Iterable[bytes]:
    return (_check(_prose(seed), "detailed", tag) for seed, tag in enumerate(_LOCALES))


_PATTERNS = (
    "the same words again ", "a ", "aaaaaaaaaa", "(((((((((", "\"'\"'\"'", "“‘„«", "**_~`#",
    "<a <b ", "&amp;&#x26;", "http://a.b/c?d=e ", "image of a picture of a photo of ", "-–—", "\n",
    "1. 2. 3. ", "<think>", "!?!?", "[INST]", "A. B. C. ", "'s s' ", "Here is the caption: ",
)  # fmt: skip
_EXPANDING = "ﷺ", "e\u0301\u0302\u0303", "\u200d\u200b", "ﬀ", "𝐀", "\U000e0041", "\u202e", "각"


def _worst_texts() -> Iterable[bytes]:
    for number, pattern in enumerate(_PATTERNS):
        yield _check(pattern * (_MAX_CHARS // len(pattern)), _STYLES[number % 3], "en")


def _unicode() -> Iterable[bytes]:
    for number, pattern in enumerate(_EXPANDING):
        yield _check(pattern * (_MAX_CHARS // len(pattern)), _STYLES[number % 3], "en")


def _contexts() -> Iterable[bytes]:
    """Names in the caption that are looked for in the context."""
    for seed in range(20):
        rng = Random(seed)
        names = [f"{rng.choice('ABCDEFGH')}{rng.randrange(10**6):x}" for _ in range(600)]
        yield _check(" ".join(names), "detailed", "en", " ".join(reversed(names))[:2_000])


def _attack(name: str, what: str, messages: Iterable[bytes]) -> Attack:
    async def prepare(_stack: AsyncExitStack) -> Prepared:
        made: Sequence[bytes] = list(messages)
        return Prepared(sends(made, in_flight=_AT_ONCE, per_second=_PER_SECOND))

    return Attack(name, what, prepare)


ATTACKS = (
    _attack("check-long-texts", "54 texts of 5,000 characters at once, 60 a second", _long_texts()),
    _attack("check-locales", "5,000 characters in each of 25 languages", _locales()),
    _attack("check-worst-texts", "repetitions, quotes, brackets, markup, openers", _worst_texts()),
    _attack("check-unicode", "characters that grow or join when normalised", _unicode()),
    _attack("check-contexts", "600 names, and a context full of names", _contexts()),
)
