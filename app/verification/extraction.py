"""Finds the claims of a caption: its words once from left to right, its quotations once."""

from app.validation.language_tags import language_of
from app.validation.quoted_text import find_quotations
from app.verification.caption_words import Word, split_words
from app.verification.claim_words import ClaimWords, Phrase, load_claim_words
from app.verification.claims import Claims, ColourClaim, Place, SubjectClaim
from app.verification.text_claims import find_text_claims

MAX_CHARS = 5_000
"""What comes later in a text claims nothing."""
MAX_CLAIMS = 24
"""Of each kind. A text with more has not been written for one picture."""
_NEAR = 2
"""A colour this many words from "background" or from a person is theirs."""


def find_claims(caption: str, locale: str) -> Claims:
    """The claims of a caption in this locale."""
    caption = caption[:MAX_CHARS]
    quotations = find_quotations(caption)
    words = split_words(_blank(caption, quotations))
    claim_words = load_claim_words(language_of(locale))
    texts = find_text_claims(caption, quotations, words, claim_words)[:MAX_CLAIMS]
    if claim_words is None or caption.isupper():
        return Claims(texts=texts)
    scan = _WordScan(caption, words, claim_words)
    scan.run()
    is_pictured = any(word.key in claim_words.pictured for word in words)
    return Claims(
        texts=texts,
        colours=tuple(scan.colours[:MAX_CLAIMS]),
        subjects=() if is_pictured else tuple(scan.subjects),
        mentioned=frozenset(scan.mentioned),
    )


def _blank(caption: str, quotations: list[tuple[int, int]]) -> str:
    """The caption with its quotations as marks, so that every place stays."""
    parts, kept_from = [], 0
    for start, end in quotations:
        parts += [caption[kept_from:start], '"' * (end - start)]
        kept_from = end
    return "".join((*parts, caption[kept_from:]))


class _WordScan:
    """One pass over the words of a caption."""

    def __init__(self, caption: str, words: list[Word], known: ClaimWords) -> None:
        self.colours: list[ColourClaim] = []
        self.subjects: list[SubjectClaim] = []
        """The kind of thing that the caption begins with: one at most."""
        self.mentioned: set[str] = set()
        self._caption = caption
        self._words = words
        self._known = known

    def run(self) -> None:
        """Collects the claims."""
        in_subject, has_subject = True, False
        index = 0
        while index < len(self._words):
            phrase, length = self._longest_phrase(index)
            if index and self._words[index].follows_break:
                in_subject = False
            if phrase is None:
                in_subject = in_subject and not (length == 1 and self._ends_subject(index))
            elif phrase in self._known.colours:
                self._add_colour(phrase, index, length, in_subject=in_subject)
            else:
                concepts = self._known.nouns[phrase]
                self.mentioned.update(concepts)
                if in_subject and not has_subject and self._stands_alone(index + length):
                    text, start, end = self._place_of(index, length)
                    self.subjects.append(SubjectClaim(text, start, end, concepts))
                has_subject = True
            index += length

    def _ends_subject(self, index: int) -> bool:
        """Whether the phrase that the caption begins with is over at this word."""
        key = self._words[index].key
        if key in self._known.conjunctions:  # "black and white shoes" goes on
            return not (self._is_colour(index - 1) and self._is_colour(index + 1))
        is_verb = index > 0 and key.endswith(self._known.verb_endings)
        return key in self._known.boundaries or key in self._known.people or is_verb

    def _is_colour(self, index: int) -> bool:
        return 0 <= index < len(self._words) and (self._words[index].key,) in self._known.colours

    def _longest_phrase(self, index: int) -> tuple[Phrase | None, int]:
        """The longest known phrase that begins here, and its length; else one word."""
        keys = [word.key for word in self._words[index : index + self._known.longest]]
        for length in range(len(keys), 0, -1):
            phrase = tuple(keys[:length])
            if any(word.follows_break for word in self._words[index + 1 : index + length]):
                continue
            if phrase in self._known.other:
                return None, length
            if phrase in self._known.colours or phrase in self._known.nouns:
                return phrase, length
        return None, 1

    def _add_colour(self, phrase: Phrase, index: int, length: int, *, in_subject: bool) -> None:
        first = self._words[index]
        is_sentence_start = index == 0 or first.follows_break
        if first.text[0].isupper() and not is_sentence_start:
            return  # part of a name
        if any(
            word.key in self._known.negations for word in self._words[max(0, index - 2) : index]
        ):
            return
        if self._is_shade(index, length):
            return
        near = self._words_beside(index, length)
        if any(word.key in self._known.people for word in near):
            return
        is_of_subject = in_subject and not self._begins_attribute(index + length)
        place: Place = "subject" if is_of_subject else "elsewhere"
        if any(word.key in self._known.backgrounds for word in near):
            place = "background"
        colour = self._known.colours[phrase]
        text, start, end = self._place_of(index, length)
        is_area = place == "subject" and any(word.key in self._known.areas for word in near)
        self.colours.append(ColourClaim(text, start, end, colour, place, is_area))

    def _is_shade(self, index: int, length: int) -> bool:
        """Whether the colour only shades the one beside it: "reddish brown", "brun rouge"."""
        first, second = index, index + length
        if self._known.adjectives_follow:
            first, second = index - 1, index
        is_beside = self._is_colour(first) and self._is_colour(second)
        return is_beside and not self._words[second].follows_break

    def _begins_attribute(self, index: int) -> bool:
        """Whether the colour before this word is that of a part: "a yellow gloved diver"."""
        return index < len(self._words) and self._words[index].key.endswith(
            self._known.attribute_endings
        )

    def _words_beside(self, index: int, length: int) -> list[Word]:
        """The words that the colour can belong to: those after it, or before it."""
        near: list[Word] = []
        if self._known.adjectives_follow:
            for place in range(index - 1, max(-1, index - 1 - _NEAR), -1):
                if self._words[place + 1].follows_break or self._is_boundary(place):
                    break
                near.append(self._words[place])
        else:
            for word in self._words[index + length : index + length + _NEAR]:
                if word.follows_break or word.key in self._known.boundaries:
                    break
                near.append(word)
        return near

    def _is_boundary(self, index: int) -> bool:
        return self._words[index].key in self._known.boundaries

    def _stands_alone(self, index: int) -> bool:
        """Whether the noun before this word is no part of a compound."""
        if index >= len(self._words) or not self._known.joining:
            return True
        word = self._words[index]
        return (
            word.follows_break
            or word.key in self._known.joining
            or word.key.endswith(self._known.joining_endings)
        )

    def _place_of(self, index: int, length: int) -> tuple[str, int, int]:
        """What the caption says there, where that begins, and where it ends."""
        start, end = self._words[index].start, self._words[index + length - 1].end
        return self._caption[start:end], start, end
