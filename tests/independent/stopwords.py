"""A language by its commonest words: crude, and nothing that the product uses."""

import re

_WORDS = {
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
PROFILES = {code: frozenset(words.split()) for code, words in _WORDS.items()}
# Their commonest words are the same.
_ALIKE = (
    {"hr", "bs", "sr", "sl"},
    {"cs", "sk"},
    {"da", "nb", "no", "nn", "sv"},
    {"es", "pt", "it"},
)


def likeliest(text: str, locale: str) -> str | None:
    """The language that a text surely is in, where that is not the locale's; else None.

    Surely: four of its common words, and more than twice as many as the locale's own.
    """
    own = locale.split("-")[0].lower()
    said = re.findall(r"[^\W\d_]+", text.lower())
    if own not in PROFILES and own not in {"bs", "sr", "nb", "sk"}:
        return None
    kin = next((group for group in _ALIKE if own in group), {own})
    counts = {code: sum(word in words for word in said) for code, words in PROFILES.items()}
    mine = max((counts[code] for code in counts if code in kin), default=0)
    code, most = max(counts.items(), key=lambda item: item[1])
    return code if code not in kin and most >= 4 and most > 2 * mine else None
