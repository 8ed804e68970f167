"""Language identification by stop words: simple, and independent of the product."""

import re

_STOP_WORDS = {
    "en": "the a an of and in on with is are to at "
    "by from its for as their two while near over his her",
    "de": "der die das und mit ein eine einer einem einen im "
    "ist auf von zu den dem vor neben über zwei sind",
    "fr": "le la les des et une un dans sur avec du "
    "est au aux devant près deux en sont qui par pour",
    "es": "el la los las y una un con en de del sobre junto frente dos es al que por su está para",
    "it": "il lo la gli le e una un con in di del della sul sulla due è che al nel nella su per da",
    "pt": "o a os as e uma um com em de do da no na dois ao sobre ao que por está são para",
    "nl": "de het een en van met op in is naast voor twee zijn aan een bij te onder door naar",
    "pl": "i w na z ze do nad pod obok przed dwa jest są się oraz przy za po o od",
    "cs": "a v na s se ze do nad pod vedle před dva je jsou při za po o od u které který",
    "hr": "i u na s sa od do nad pod pored ispred dva je su se kraj uz za iz koji koja kod",
    "sv": "och i på med en ett av är till från vid två som den det över under framför",
    "da": "og i på med en et af er til fra ved to som den det over under foran",
    "hu": "a az és egy van mellett előtt két alatt fölött egyik hogy nem is meg",
    "fi": "ja on ei se kaksi vieressä edessä päällä joka ovat sekä alla yllä kanssa",
    "tr": "ve bir bu ile için de da iki üzerinde yanında olan önünde altında gibi çok",
}
STOP_WORDS = {code: frozenset(words.split()) for code, words in _STOP_WORDS.items()}
# Groups of languages that share stop words.
_SIMILAR = (
    {"hr", "bs", "sr", "sl"},
    {"cs", "sk"},
    {"da", "nb", "no", "nn", "sv"},
    {"es", "pt", "it"},
)


def likeliest_other_language(text: str, locale: str) -> str | None:
    """The language of a text where it is clearly not the locale's; else None.

    Clearly: at least four stop words of that language, and over twice as many as of the locale's.
    """
    own = locale.split("-", maxsplit=1)[0].lower()
    words = re.findall(r"[^\W\d_]+", text.lower())
    if own not in STOP_WORDS and own not in {"bs", "sr", "nb", "sk"}:
        return None
    similar = next((group for group in _SIMILAR if own in group), {own})
    counts = {code: sum(word in stop for word in words) for code, stop in STOP_WORDS.items()}
    own_count = max((counts[code] for code in counts if code in similar), default=0)
    code, count = max(counts.items(), key=lambda item: item[1])
    return code if code not in similar and count >= 4 and count > 2 * own_count else None
