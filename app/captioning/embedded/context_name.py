"""Finds a short name in the context, the only part of it that a caption uses.

Context is data from strangers. Pixels cannot prove a sentence in it, so it is used only where all
of it reads as the name of a product, a work or a place, before the caption.
"""

import re

NAME_MAX_CHARS = 80
NAME_MAX_WORDS = 9

_NOT_IN_NAMES = re.compile(
    r"""[\x00-\x1f\x7f<>{}\[\]|\\`*_#=@^~"“”„«»\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"""
    r"""|[.!?:;]|https?|www|©|®|\b\w+/\w+"""
)
"""Markup, URLs, quotation marks, and marks that end or join sentences."""
_INSTRUCTION_WORDS_TEXT = """
ignore disregard forget override say write print output respond reply answer repeat describe
translate pretend act please you your return tell system assistant instruction instructions prompt
caption image photo picture bild foto slika fotografija imagen ignoriere vergiss schreibe sage
antworte beschreibe ignorez écris oubliez écrivez dis dites réponds ignora olvida escribe di
responde zanemari zaboravi napiši reci odgovori
"""
_INSTRUCTION_WORDS = frozenset(_INSTRUCTION_WORDS_TEXT.split())
"""Words of instructions to the writer of a caption; a text with one of them is not a name."""
_SENTENCE_WORDS_TEXT = """
is are was were be been has have had will would can could should must may might do does did we i
they he she it this these those our my their his her its who what why how when where which there
ist sind war waren wird werden hat haben kann können wir ich sie dieser diese dieses unser unsere
est sont était a ont nous je vous ils elles ce cette ces notre nos mon ma qui que
es son está están fue hay tiene tienen nosotros este esta estos estas nuestro nuestra quien
je su bio bila ima imaju mi naš naša ovaj ova ovo koji koja
"""
_SENTENCE_WORDS = frozenset(_SENTENCE_WORDS_TEXT.split()) - {"a", "ma"}
"""Verbs and pronouns: a text with one of them says something and names nothing."""
_FIRST_WORDS_TEXT = """
for from in on at with to by about as used see click buy shop read view visit show shows showing
discover learn get new für von mit im in auf zum zur pour dans avec sur voir acheter para en con
sobre ver comprar za na u s sa iz vidi kupi
"""
_FIRST_WORDS = frozenset(_FIRST_WORDS_TEXT.split()) - {"new"}
"""A name begins with none of them: a place in a page, or an invitation."""
_PAGE_WORDS_TEXT = """
page homepage website site blog post article section header footer banner hero thumbnail gallery
slide slider carousel teaser listing catalogue catalog category newsletter landing screenshot icon
logo placeholder untitled seite startseite webseite artikel abschnitt kopfzeile fußzeile galerie
kategorie accueil rubrique catalogue página inicio sección galería catálogo categoría stranica
naslovnica članak galerija kategorija
"""
_PAGE_WORDS = frozenset(_PAGE_WORDS_TEXT.split())
"""Parts of a website: "Homepage hero" says where an image stands, not what it is called."""


def find_name(context: str | None) -> str | None:
    """The whole context where it reads as one short name, else None."""
    name = (context or "").strip()
    words = [word.strip(",'’()") for word in name.casefold().split()]
    is_short = 2 <= len(name) <= NAME_MAX_CHARS and len(words) <= NAME_MAX_WORDS
    if not is_short or not name[0].isalnum() or _NOT_IN_NAMES.search(name):
        return None
    # Names have a capital; "blue shoes for the summer" is a remark.
    if not any(char.isupper() for char in name):
        return None
    others = _INSTRUCTION_WORDS | _SENTENCE_WORDS | _PAGE_WORDS
    if words[0] in _FIRST_WORDS or others.intersection(words):
        return None
    return " ".join(name.split())
