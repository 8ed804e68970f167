"""Rules against captions that speak of the model, of its task or of its instructions."""

import functools
import re

from app.validation.quoted_text import strip_quoted_text
from app.validation.rule_input import RuleInput
from app.validation.sentences import split_sentences, split_words
from app.validation.service_messages import is_service_message

# Instructions from a prompt: "1-2 factual sentences covering the subject", "Use only the metadata".
_LENGTH_ASKED = (
    r"\b\d{1,3}\s?(?:[-–—]|to|or)\s?\d{1,3}[ -](?:[a-z-]+ ){0,3}"
    r"(?:words?|sentences?|characters?|keywords?|terms?)\b"
    r"|\b\d{1,4} (?:words|sentences|characters|keywords|terms) (?:or (?:less|fewer|more)"
    r"|max(?:imum)?|at most|remaining)\b"
    r"|\b(?:under|within|below|at most|up to|max(?:imum)?(?: of)?|no more than|exceed) \d{1,4}"
    r" (?:words|characters|chars|tokens|sentences)\b"
)
_CONDITION = r"^if (?:the (?:image|photo|picture|context)|you|unsure|unclear|nothing)\b"
_IMPERATIVE = (
    r"(?:^|[.!?:]\s|[。！？]\s?)(?:(?:please|always|only) )?"
    r"(?:be (?:specific|concise|factual|brief|sure)|make sure|focus on|remember (?:to|that|not)"
    r"|(?:answer|respond|reply) (?:with|in|only|using)"
    r"|(?:avoid|ensure|omit|mention|include|limit|return|output|provide|write|describe)"
    r" (?:only|just|exactly|an?|the|this|no|one|two|any|all|each|your|what|that|in|\d+)"
    r"|use (?:only|just|an?|the|this|these|that|plain|British)"
    r"|do not|don['’]t|keep (?:it|the (?:title|caption|description|text)))\b(?! (?-i:[A-Z]))"
)
_DEMAND = (
    r"(?:^|[.!?]\s|[。！？]\s?)(?:it|this|the (?:answer|caption|description|text|output))"
    r" (?:should|must) (?:not )?(?:be|have|contain|use|include|mention|fit)\b"
)
_INSTRUCTION = re.compile(
    "|".join((_LENGTH_ASKED, _CONDITION, _IMPERATIVE, _DEMAND)), re.IGNORECASE
)
# Reasoning on the way to a caption.
_REASONING = re.compile(
    r"\bthe user (?:wants|asks|asked|is asking|has asked|needs|requested|says|said|also wants)\b"
    r"|\b(?:I|we) (?:should|need to|must|have to) (?:mention|describe|write|avoid|include|keep|make"
    r"|focus|produce|create|provide|be|say|use|note|not|check)\b|(?:^|[.!?]\s)(?:Wait|Hmm|Actually),"
    r"|\b(?:the|my) (?:instructions?|prompt|hints?) (?:say|says|ask|asks|state|states|require)\b",
    re.IGNORECASE,
)
# "Let's dance! Neon letters glow": the text of a sign, not a word to the user.
_SLOGAN = re.compile(
    r"(?:let['’]s|let me|we (?:need|must)) (?!(?:me|us|do|go|try|start|begin|see|look|know|help"
    r"|think|check|say|take|give|find|get|make|break|use|keep|be|have|move|dive|read|answer|provide"
    r"|explain|analy[sz]e|write|describe|caption|examine|create|generate|tell|show|note)\b)"
    r"[a-z'’-]{2,12}(?: [a-z'’-]{1,12}){0,2}!\s(?=\S)",
    re.IGNORECASE,
)
_CLOSING_MARKS = " \"'”’»)]*"
_UNCUT_CHARS = 4_000
"""So much is read of a text that was cut."""
_SHINGLE_WORDS = 7
"""A run of this many words from the instructions counts as a repetition of them."""


def about_itself(given: RuleInput) -> str | None:
    """It speaks of the model or its task, or repeats instructions.

    Text that was cut off counts only where it is reasoning or repeats our own instructions: a good
    caption may be followed by a remark to the user.
    """
    if given.defect == "reasoning":
        return "It is a train of thought, not a caption; answer with the caption alone."
    uncut = strip_quoted_text(given.uncut[:_UNCUT_CHARS])
    slogan = _SLOGAN.match(given.unquoted)
    unquoted = given.unquoted[0 if slogan is None else slogan.end() :]
    if (
        any(
            language.about_itself.search(unquoted) or language.refusal.match(unquoted)
            for language in given.languages
        )
        or _is_question_to_reader(given)
        or _INSTRUCTION.search(unquoted)
        or is_service_message(unquoted)
        or _REASONING.search(uncut)
    ):
        return "It speaks of yourself, the task or the request; describe only the picture."
    if _asks_its_reader(unquoted):
        return "It ends in a question to its reader; describe only the picture."
    if _repeats_instructions(uncut, given.style.instructions):
        return "It repeats the instructions; describe the picture."
    return None


def _is_question_to_reader(given: RuleInput) -> bool:
    """Whether it is nothing but an offer: "Would you like a longer version?"."""
    return given.caption.endswith(("?", "？", "؟")) and any(
        language.closing_remark.match(given.caption) for language in given.languages
    )


def _asks_its_reader(unquoted: str) -> bool:
    """Whether a question follows a sentence: "A dog runs. Would you like a longer version?"."""
    sentences = split_sentences(unquoted)
    return (
        len(sentences) > 1
        and sentences[-1].rstrip(_CLOSING_MARKS).endswith(("?", "？", "؟"))
        and not sentences[-2].endswith(("?", "？", "؟"))
    )


def _repeats_instructions(text: str, instructions: tuple[str, ...]) -> bool:
    """Whether seven words in a row are those of an instruction (w-shingling)."""
    shingles = _shingles_of(instructions)
    first_words = {shingle[0] for shingle in shingles}
    words = split_words(text)
    return any(
        word in first_words and tuple(words[start : start + _SHINGLE_WORDS]) in shingles
        for start, word in enumerate(words)
    )


@functools.lru_cache(maxsize=64)
def _shingles_of(instructions: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    words_of = map(split_words, instructions)
    return frozenset(
        tuple(words[start : start + _SHINGLE_WORDS])
        for words in words_of
        for start in range(len(words) - _SHINGLE_WORDS + 1)
    )
