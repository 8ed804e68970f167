"""Tells languages of one script apart by letters that only one of them has, in short texts too.

Russian has no і, Ukrainian no ы, Arabic no پ. Words and endings count as such letters do. A letter
that several languages share proves nothing, and a text with letters of both may quote a name.
"""

import re
from dataclasses import dataclass

from app.validation.language_tags import language_of, script_of


@dataclass(frozen=True, slots=True)
class _Letters:
    own: re.Pattern[str]
    """Letters that prove the language."""
    foreign: re.Pattern[str]
    """Letters that its texts never have. In lower case: a Roman number has the capital І."""


def _letters(own: str, foreign: str) -> _Letters:
    return _Letters(re.compile(f"[{own}]", re.IGNORECASE), re.compile(f"[{foreign}]"))


_URDU = "ٹڈڑںےہھ"
# Words and endings of Russian that Ukrainian lacks: "и", "спит", "коричневая", "играет".
_RUSSIAN = re.compile(
    r"[ёъыэ]|(?<!\w)(?:[Ии]|[Сс]|[Кк]|[Ии]з|[Пп]од|[Гг]де|[Ии]ли|[Чч]то|сидит|стоит|лежит|спит|бежит"
    r"|смотрит|держит|висит|летит|говорит|едет|идет|плывет|несет|ест|пьет|растет|[Кк]от|[Чч]еловек"
    r"|[Рр]ебенок|[Дд]ети)(?![\w.])|\w{3}(?:(?<!згр)ая|(?<!кан)ое|ие|ее|яя)(?!\w)"
    r"|\w{2}(?:ает|яет|ует|еет|ной|шой|ской)(?!\w)"
)
_ALPHABETS = {
    "uk": _Letters(re.compile("[іїєґ]", re.IGNORECASE), _RUSSIAN),
    "ru": _letters("ёъыэ", "іїєґўђјљњћџѓќѕ"),
    "be": _letters("ўі", "ищъїєґ"),
    "bg": _letters("ъщ", "ёыэіїєґў"),
    "mk": _letters("ѓќѕј", "ёыэъщйяюіїєґў"),
    "sr": _letters("ђћљњџј", "ёыэъщйяюіїєґў"),
    "ar": _letters("ةكيىأإ", f"پچژگکی{_URDU}"),
    "fa": _letters("پچژگکی", f"ةى{_URDU}"),
    "ur": _letters(_URDU, "ةىۀ"),
}


def is_other_alphabet(text: str, locale: str) -> bool:
    """Whether a text has letters that the locale's language lacks, and none that prove it.

    `text` is without quotations.
    """
    letters = _ALPHABETS.get(language_of(locale)) if script_of(locale) is None else None
    if letters is None or text.isascii():
        return False
    return letters.foreign.search(text) is not None and letters.own.search(text) is None
