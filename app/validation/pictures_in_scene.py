"""Pictures in the scene: "A picture of the king hangs in the post office" shows a picture.

Without its first words such a caption would be false: no king hangs there.
"""

import functools
import re

from app.validation.languages import Language

_MAX_CHARS = 200
"""A sentence's subject and its verb are shorter."""
# English alone: "The picture on the wall shows a ship", but not "The image on the left".
_PLACED = re.compile(
    r"the (?:\w+ )?(?:image|photo|photograph|picture|graphic|poster|visual|screenshot)s? "
    r"(?:(?:printed|displayed|shown|hanging|framed|pinned|projected) )?"
    r"(?:on|above|behind|beside|inside|under|over) (?:the|an?|his|her|their|its|one)\s"
    r"(?!(?:far |top |bottom |upper |lower |very )?(?:left|right|top|bottom|cent(?:er|re)|middle"
    r"|side|page|website|site|whole|other|first|second|third|last|white|black|plain|blank|grey|gray"
    r"|dark|light|background)\b)",
    re.IGNORECASE,
)


def is_picture_in_scene(text: str, languages: tuple[Language, ...]) -> bool:
    """Whether the picture named first is meant itself: it hangs or is printed, or has a kind."""
    start = text[:_MAX_CHARS]
    return _PLACED.match(start) is not None or any(
        _scene_pattern(language).match(start) or language.picture_kind.match(start)
        for language in languages
    )


@functools.lru_cache(maxsize=64)
def _scene_pattern(language: Language) -> re.Pattern[str]:
    """A word for a picture, some words of its subject, and a verb of place.

    Between them is no word after which the verb belongs to something else: no relative pronoun, and
    no verb of showing. The numbers of words are bounded, so that matching is linear.
    """
    if not language.scene_verbs:
        return re.compile(r"(?!)")
    nouns = "|".join(sorted(map(re.escape, language.nouns), key=len, reverse=True))
    word = rf"(?!(?:{language.scene_blockers})\b)[^\s,.;:!?()]+"
    return re.compile(
        rf"(?:[^\s,.;:!?()'’]{{1,30}}[ '’]){{0,3}}?(?:{nouns})s? (?!(?:{language.scene_verbs})\b)"
        rf"(?:{word} ){{1,9}}?(?:{language.scene_verbs})(?!\w)",
        re.IGNORECASE,
    )
