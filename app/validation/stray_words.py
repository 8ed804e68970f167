"""Stray words: what a role, a format, a list or a token leaves before or after the sentences.

Judged by what prose is, not by a list of wrappings: what follows the last sentence is a sentence or
a phrase, and no sentence begins with the name of a role or of a format and then begins once more.
"""

import re

from app.validation.languages import Language
from app.validation.quoted_text import mask_quoted_text
from app.validation.sentences import ABBREVIATIONS, ends_sentence

_ROLES = frozenset({
    "user", "human", "assistant", "system", "model", "bot", "gpt", "chatgpt", "tool",
})  # fmt: skip
_SPEAKERS = frozenset({"user", "assistant"})
_FORMATS_TEXT = """
json html xml yaml txt text plaintext markdown md csv python javascript js css output response
answer result caption alt alt_text data tags keywords hashtags concise detailed seo inst sys end
suffix prefix gmask sop bos eos gemini claude copilot qwen llava deepseek
"""
_STRAY_WORDS = _ROLES.union(_FORMATS_TEXT.split())
_BEFORE_NAMES = frozenset({"model", "human", "system"})
"""Roles that begin captions of people as well: "model Kate Moss", "human DNA"."""
_FIELDS = frozenset({"style", "id", "field", "value", "key", "name", "type", "role", "content"})
"""Names of columns beside them."""
_MAX_WORDS = 4
"""So many stray words are looked for at the start."""

_FIRST_WORD = re.compile(
    r"[^\w\s]{0,3}([A-Za-z_]{2,40}|\d{1,3}(?:[.:]\d{1,4})?%?)[^\w\s'’]{0,3}\s+(?=\S)"
)
# "a. A dog runs", "II. A dog runs".
_LETTER_OF_ITEM = re.compile(r"\(?(?:[a-hivx]|[ivx]{1,4}|(?P<capital>[A-HIVX]|[IVX]{1,4}))[.)]\s+")
_SECOND_LETTER_OF_ITEM = re.compile(r"(?<!\w)\(?(?:[bB]|ii|II)[.)]\s")
_LOWER_WORD = re.compile(r"[a-z]{2,20}\s+")
_BEFORE_LETTER_A = frozenset({
    "class", "exhibit", "figure", "grade", "group", "hepatitis", "level", "line", "model", "option",
    "panel", "part", "plan", "section", "track", "type", "version", "vitamin",
})  # fmt: skip
"""Words that the letter A follows: "vitamin A tablets"."""
_OBJECT_NAMES_TEXT = """
airplane apple backpack banana bear bed bench bicycle bird boat book bottle bowl boy building cake
cat chair child clock couch cow cup dog elephant face fork girl giraffe handbag horse house
keyboard knife laptop man motorcycle mouse orange oven people person refrigerator sandwich sheep
skateboard spoon suitcase surfboard table train tree truck umbrella woman zebra
"""
_OBJECT_NAMES = frozenset(_OBJECT_NAMES_TEXT.split())
"""English names of what detectors find (the classes of COCO and more), before a box's caption."""
_MIN_WORDS_OF_SENTENCE = 5
_SIGN_OF_MARKUP = re.compile(r"[<>|{}\[\]`]")
_LABEL_OR_SIGN = re.compile(
    r"=\s|(?:sure|certainly|okay)[!,]|[frb][\"']|[a-h\d]\)\s|(?:user|human|assistant|system|output|caption|answer|response|alt_text)\s?[:=]",
    re.IGNORECASE,
)
_MARK_OF_PROSE = re.compile(r"[-–—&+/]\s|\([a-z\d]")
# Behind a full stop; “ and « close quotations in German and Croatian.
_CLOSING = r"[\"'”“’»«›)\]」』*_`]{0,4}"
# The end of a sentence whose last word has two letters, so that it is no initial ("U.S."). A
# number with a full stop may be an ordinal ("am 3. Mai"): one word may follow it.
_SENTENCE_END = re.compile(
    rf"(?:(?<=[^\W\d_]{{2}})|(?<=[\u0600-\uffff]{{2}})|(?<=(?P<number>\d))|(?<=[)\]\"”“»«’'%]))"
    rf"[.!?…]{{1,3}}(?!\d){_CLOSING}(?:[.!?…]{_CLOSING})?|(?P<wide>[。！？؟۔।]){_CLOSING}"
)
_LAST_WORD = re.compile(r"[^\W\d_]{1,20}$")
# Abbreviations before a number or one more word, besides those that end no sentence anyway.
_SHORTENED_TEXT = """
incl excl approx mini maxi temp univ dept intl calif nos nr vol vols fig figs pp chs chap arts art
al apt bd bldg eds op ste sec secs sect rev ver pts tab tabs eqs lvl opp abb núm pág gr
"""
_SHORTENED = ABBREVIATIONS.union(_SHORTENED_TEXT.split())
_STREET = "str"
"""Streets end in it: "Hauptstr. 5"."""
_LAST_LATIN_LETTER = "\u024f"
_CAPITALISED = re.compile(r"[^\W\d_][a-z\u00df-\u024f]+ [a-z]")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]+")
_WORD_OR_NUMBER = re.compile(r"[^\W\d_]+|\d+")
_REAL_WORD_LETTERS = 2
_MANY_SHORT_WORDS = 3
_END_CHARS = 200
"""Rests are looked for in so much of the end: every full stop is followed by all of the tail."""
_IDENTIFIER = re.compile(r"[a-z]{3,}[A-Z][a-z]+")
_NUMBER_OF_PROSE = re.compile(r"\(\d{4}\)|[€$£¥]|\d\s?%|\d\s?(?:m|g)\b")


def is_stray_word(word: str) -> bool:
    """Whether a word in lower case is the name of a role, a format or a part of an answer."""
    return word in _STRAY_WORDS


def starts_with_stray_word(text: str, languages: tuple[Language, ...]) -> bool:
    """Whether a role or a format stands before the first sentence: "json A dog runs"."""
    if _is_item_of_list(text, languages) or _is_word_before_sentence(text, languages):
        return True
    rest = text
    for found in range(_MAX_WORDS):
        if found and _SIGN_OF_MARKUP.search(rest.split(maxsplit=1)[0]):
            return True
        first = _FIRST_WORD.match(rest)
        if first is None or not _may_be_stray(first[1]):
            return False
        if found and first[1].casefold() in _ROLES and ":" in first.group():
            return True
        rest = rest[first.end() :]
        if not first[1].isdigit() and _begins_with_interjection(rest, languages):
            return True
        if _LABEL_OR_SIGN.match(rest) and not first[1].isdigit():
            return True
        if _begins_sentence(rest, first[1], languages):
            return True
    return False


def has_only_stray_words(text: str) -> bool:
    """Whether all words are names of fields: "Style Caption", "id,caption", "END"."""
    words = _WORD_OR_NUMBER.findall(text.casefold())
    return (
        bool(words)
        and not words[0].isdigit()
        and all(
            word.isdigit() or len(word) == 1 or word in _STRAY_WORDS or word in _FIELDS
            for word in words
        )
        and len(words[0]) > 1
    )


def ends_with_stray_words(text: str) -> bool:
    """Whether something follows the last sentence that is neither a sentence nor a phrase.

    The rest of a role, a list or a token: "A dog runs. b 2.", "A dog runs.assistant b)".
    """
    masked = mask_quoted_text(text)
    ends = _SENTENCE_END.finditer(masked, max(0, len(masked) - _END_CHARS))
    return any(_is_stray_end(masked, end) for end in ends)


def _begins_sentence(text: str, after: str, languages: tuple[Language, ...]) -> bool:
    """Whether `text` begins a sentence, so that the stray word `after` is no part of it."""
    if after.isupper():  # "HTML Basics"
        return False
    letter = _LETTER.search(text)
    is_foreign = letter is not None and letter.group() > _LAST_LATIN_LETTER
    is_long = ends_sentence(text) and len(text.split()) >= _MIN_WORDS_OF_SENTENCE
    if not after.isdigit() and after[0].isdigit():  # "0.93 A dog runs", "07:00 A dog runs"
        return not text[0].islower() and (is_foreign or is_long)
    if after.isdigit():  # "1 The cat sleeps", but not "2 Tesla cars"
        is_item = after == "1" and not text[0].islower()
        return _begins_with_article(text, languages) or (
            is_item and (is_foreign or _CAPITALISED.match(text) is not None)
        )
    is_lower = after[0].islower()
    if is_foreign:
        return True
    first = text[0]
    if not first.isalnum():
        is_role = after.casefold() in _SPEAKERS
        return (is_lower or is_role) and not _MARK_OF_PROSE.match(text)
    if _begins_with_article(text, languages):
        return True
    words = text.split(maxsplit=2)
    if not first.isupper() or not words[0][1:].islower():
        return False
    # "model Brązowy pies", but not "model Naomi in a red dress", "Text Messages".
    # "Assistant" is a word of English: "Assistant Street".
    is_foreign_role = languages[0].code != "en" and (
        after.casefold() in _SPEAKERS
        # "Alt Siva mačka", but not German "Alt Berlin".
        or (after == "Alt" and not languages[0].capitalises_nouns)
    )
    return (
        (is_lower or (is_long and is_foreign_role))
        and len(words) > 1
        and (
            after not in _BEFORE_NAMES
            or is_long
            or not any(_is_function_word(words[1], one) for one in languages)
        )
        and (words[1].islower() or any(one.capitalises_nouns for one in languages))
    )


def _begins_with_interjection(text: str, languages: tuple[Language, ...]) -> bool:
    """Whether an answer begins there: "Sure! ..."."""
    found = (language.interjection.match(text) for language in languages)
    return any(
        one is not None and text[one.end() :].lstrip()[:1] in tuple("!！,.") for one in found
    )


def _is_item_of_list(text: str, languages: tuple[Language, ...]) -> bool:
    letter = _LETTER_OF_ITEM.match(text)
    if letter is None:
        return False
    rest = text[letter.end() :]
    if not rest or _SECOND_LETTER_OF_ITEM.search(rest):
        return False
    if rest[0] > _LAST_LATIN_LETTER or _begins_with_article(rest, languages):
        return True
    # "I. Newton sits under a tree."
    return not letter["capital"] and _CAPITALISED.match(rest) is not None


def _is_word_before_sentence(text: str, languages: tuple[Language, ...]) -> bool:
    """Whether a word in lower case stands before a sentence: "cat A dog runs".

    A word of English counts before every sentence of another language, any word before an article.
    """
    word = _LOWER_WORD.match(text)
    if word is None or not text[word.end() :]:
        return False
    first = word.group().strip()
    if first in _OBJECT_NAMES and languages[0].code != "en" and ends_sentence(text):
        rest = text[word.end() :]
        return rest[0] > _LAST_LATIN_LETTER or _CAPITALISED.match(rest) is not None
    return (
        first not in _BEFORE_LETTER_A
        and not any(_is_function_word(first, language) for language in languages)
        and _begins_with_article(text[word.end() :], languages)
    )


def _may_be_stray(word: str) -> bool:
    return (
        word[0].isdigit()
        or word.casefold() in _STRAY_WORDS
        or _IDENTIFIER.fullmatch(word) is not None
    )


def _begins_with_article(text: str, languages: tuple[Language, ...]) -> bool:
    """Whether a capitalised article, number or preposition and a word in lower case come first."""
    first, *rest = text.split(maxsplit=2)
    return (
        text[0].isupper()
        and any(_is_function_word(first, language) for language in languages)
        and bool(rest)
        and (rest[0][0].islower() or languages[0].capitalises_nouns)
    )


def _is_function_word(word: str, language: Language) -> bool:
    return word.casefold() in language.function_words | language.dangling_words


def _is_stray_end(text: str, end: re.Match[str]) -> bool:
    tail = text[end.end() :]
    if not tail.strip() or _is_abbreviation(text[: end.start()], end):
        return False
    words = _WORD.findall(tail)
    if end["wide"] is None and tail[0].isalnum():  # "Node.js", but "runs.assistant"
        is_behind_mark = len(end.group()) > 1
        is_role = any(w.casefold() in _ROLES or _IDENTIFIER.fullmatch(w) for w in words[:1])
        return (not words or is_role or is_behind_mark) and not any(map(_is_real_word, words))
    if words[:1] and words[0] in _SPEAKERS:
        return True
    if not any(map(_is_real_word, words)):
        return len(words) < _MANY_SHORT_WORDS and not _NUMBER_OF_PROSE.search(tail)
    is_alone = len(tail.split()) == 1 and tail.isascii() and not ends_sentence(tail)
    return is_alone and end["number"] is None


def _is_abbreviation(before: str, end: re.Match[str]) -> bool:
    word = _LAST_WORD.search(before, max(0, len(before) - 20))
    if word is None or not end.group().startswith("."):
        return False
    folded = word.group().casefold()
    return folded in _SHORTENED or folded.endswith(_STREET)


def _is_real_word(word: str) -> bool:
    if word.casefold() in _STRAY_WORDS or _IDENTIFIER.fullmatch(word):
        return False
    return len(word) >= _REAL_WORD_LETTERS
