"""Alternatives: of several captions that a draft offers, the first.

"Option A: ... Option B: ...", "Alt 1: ... Alt 2: ...", "... OR ...", on one line or on several.
Quoted text is the picture's: a ballot may say "Option 1: Yes. Option 2: No.".
"""

import re

from app.validation.quoted_text import mask_quoted_text
from app.validation.sentences import SENTENCE_ENDS

WIDE_OPTION_WORDS = "候補|オプション|バージョン|選択肢|案|옵션|버전|选项|選項|方案|版本|候选"
"""Those in scripts without spaces."""
OPTION_WORDS = (
    "options?|versions?|alternatives?|variants?|choices?|suggestions?|candidates?|possibility"
    "|variante|varianta|möglichkeit|vorschlag|proposition|choix|opción|versión|alternativa"
    "|propuesta|sugerencia|opzione|versione|proposta|opção|versão|sugestão|optie|versie|variant"
    "|alternatief|suggestie|voorstel|opcja|wersja|wariant|propozycja|možnost|verze|návrh|opcija"
    "|verzija|varijanta|inačica|prijedlog|mogućnost|različica|predlog|alternativ|förslag"
    "|mulighed|forslag|versjon|mulighet|vaihtoehto|versio|ehdotus|opció|változat|lehetőség"
    "|javaslat|seçenek|sürüm|öneri|alternatif|вариант|версия|варіант|версія|опција|верзија"
    f"|варијанта|предлог|{WIDE_OPTION_WORDS}|الخيار|خيار|البديل"
)
"""Words for one of several captions; they are also found within other labels."""
_CAPTION_WORDS = "alt(?:[ -]?text)?|caption|description|answer|response"
_FIRST = r"(?:1|[aA]|I|i|one|One|一|①)"
_SECOND = r"(?:2|[bB]|II|ii|two|Two|二|②)"
_OPENING = r"[*_#(\[>`~-]{0,6}[ \t]?"
_MARK = r"\s?[)\]*_]{0,3}\s?(?:[:：.→]|[-=]>|[–—-](?=\s))[*_]{0,3}"
_COLON = r"\s?[)\]*_]{0,3}\s?[:：→][*_]{0,3}"
_NUMBERED = rf"(?:{OPTION_WORDS}|{_CAPTION_WORDS})\s?(?:no\.?\s?)?#?"
# "A) ..." on a line, and "B) ..." on another one; on one line they are the panels of a figure.
_LETTER = r"[(\[*_]{0,3}%s[)\].:]{1,2}[*_]{0,2}[ \t]"
_CLOSERS = "\"'”’»“«›)\\]」』】）》〉⟩*_"
_END = rf"[{SENTENCE_ENDS}](?:\s[\"'”’»])?[{_CLOSERS}]{{0,3}}"
_ORDINAL = "second|2nd|zweite|deuxième|segunda|seconda|druga"
_NAMED_PART = rf"[*_]{{0,2}}(?!{_CAPTION_WORDS})[^\W\d][\w ]{{0,24}}[*_]{{0,2}}[:：]"
_HEADS = (
    (
        rf"{_OPENING}{_NUMBERED}{_FIRST}{_MARK}\s{{0,4}}",
        (
            rf"(?<!\w){_OPENING}{_NUMBERED}{_SECOND}{_MARK}"
            rf"|(?<=[{SENTENCE_ENDS}]\s){_NUMBERED}{_SECOND}\s(?-i:(?=[A-Z]))"
            rf"|\n\s{{0,4}}{_OPENING}{_NUMBERED}{_SECOND}\b"
        ),
    ),
    (
        rf"{_OPENING}(?:first|1st|erste|première|primera|prima|prva)\s(?:{OPTION_WORDS}){_COLON}",
        rf"(?<!\w){_OPENING}(?:{_ORDINAL})\s(?:{OPTION_WORDS}){_COLON}",
    ),
    (_LETTER % "A", rf"\n\s{{0,4}}{_LETTER % 'B'}"),
    (
        r"(?-i:A)[).]\s",
        (
            rf"(?:(?<=[{SENTENCE_ENDS}]\s)|(?<=[{SENTENCE_ENDS}][{_CLOSERS}]\s)"
            rf"|(?<=[{SENTENCE_ENDS}][{_CLOSERS}]{{2}}\s)|(?<=[。！？]))B[).]\s(?-i:(?=[^\sa-z]))"
        ),
    ),
    (r"①\s?", r"②\s?(?=\S)"),
    (r"\((?-i:A)\)\s", rf"(?<=[{SENTENCE_ENDS}]\s)(?-i:B)\)\s(?-i:(?=[^\sa-z]))"),
    # "1. Setting: a room 2. Subject: a dog" are parts of one.
    (
        rf"\(?1[.)]\s(?!{_NAMED_PART})",
        rf"(?:(?<=[{SENTENCE_ENDS}\"”’»)>}}\]`]\s)|\n\s{{0,4}})\(?2[.)]\s(?=\S)",
    ),
)
_LISTS = tuple(
    (re.compile(rf"\s{{0,9}}{head}", re.IGNORECASE), re.compile(following, re.IGNORECASE))
    for head, following in _HEADS
)
"""What begins the first alternative, and what begins the second one then, wherever it stands."""
# Words that join two alternatives. In capitals they may stand within a line. Dutch "of" is also
# English, and so counts only before a colon.
_OR = (
    "or|oder|ou|oppure|o bien|lub|albo|ili|nebo|eller|veya|или|або|vagy|tai|ali|abo|または|或者"
    "|또는|أو"
)
_OTHER = (
    "longer|long|shorter|short|detailed|concise|brief|briefer|seo|simpler|other|another|different"
    "|second|2nd|next|alternatively|alternativement|alternativamente|zweite|deuxième|segunda"
    "|seconda|drugi|druga|version courte|version longue|versión corta|versión larga|kratka verzija"
    "|duga verzija|kurzfassung|langfassung|kurzversion|kurz|lang|casual|formal|funny|playful"
    "|creative|poetic|simple"
)
_LANGUAGES = (
    "english|german|french|spanish|italian|croatian|englisch|deutsch|französisch|spanisch"
    "|italienisch|kroatisch|anglais|allemand|français|espagnol|italien|croate|inglés|alemán|francés"
    "|español|italiano|engleski|njemački|francuski|španjolski|talijanski|hrvatski|inglese|tedesco"
    "|francese|spagnolo|inglês|alemão|francês|espanhol"
)
# Between a sentence and the next alternative a list's number or a letter may be left, or the name
# of a role, "END", a length.
_LEFT_WORDS = (
    r"(?:(?-i:END|(?:human|user|assistant|model)|(?:Human|User|Assistant|Model))[:.]?\s"
    r"|\(?\d{1,4}\s(?:characters|chars|words)[).:,]{0,2}\s?){0,2}"
)
_BEHIND = (
    rf"(?P<end>{_END})(?![{SENTENCE_ENDS}])[^\w\n(\[“\"/]{{0,4}}"
    r"(?:\[?\(?\d{1,3}(?:/\d{1,3})?[\])]?[\"'”“«»]{0,2}\s?|[a-h](?:\)\s?|\s))?\s{0,4}"
    rf"{_LEFT_WORDS}"
)
_BEHIND_SENTENCE = {
    "numbered option": rf"{_OPENING}{_NUMBERED}{_SECOND}{_MARK}",
    "named option": rf"{_OPENING}(?:(?:or,?\s)?(?:an?\s|the\s)?(?:(?:{_OTHER})[ ,]{{1,2}}){{0,2}}"
    rf"(?:{_OTHER}|{OPTION_WORDS})|(?:{_OTHER})\s(?:{_CAPTION_WORDS})|(?:{_OR}|of)){_COLON}",
    "name of another language": rf"[(\[]?(?:{_LANGUAGES})[)\]]?\s?[:：]"
    r"|[(\[]?(?-i:EN|DE|FR|ES|IT|HR|PT|NL|PL)(?:\s?[:：]|\]\s)",
    "joining word": r"(?-i:(?:Or|OR|Oder|ODER|Ou|OU|Oppure|OPPURE|Lub|LUB|Ili|ILI|Nebo|Veya"
    r"|Или|Або|Vagy|/)\s(?=\S))",
    "joining word in brackets": rf"[(\[]\s?(?:{_OR}|of|alternatively)\b[:,]?\s",
    "joining word between quotations": rf"(?:{_OR}|of)\s(?=[\"“„«‘'])",
    "joining word without spaces": r"(?:または|或者)[、，,]?",
    "second item": r"(?P<second>(?:2|(?-i:B))\)\s)(?-i:(?=[^\sa-z]))",
}
_ANYWHERE = {
    "option on a line": rf"(?:\s{{0,4}}\n\s{{0,4}}|\s[/|;]\s){_OPENING}"
    rf"(?:{_NUMBERED}{_SECOND}{_MARK}|(?:{_OR}|alternativ\w{{0,8}}|alternatief){_COLON}"
    rf"|(?:{OPTION_WORDS})\s?{_SECOND}?\s?/\s)",
    "option behind the word END": rf"(?-i:\sEND\s){_OPENING}{_NUMBERED}{_SECOND}{_MARK}",
    "stroke after a closing mark": r"(?<=[»”›】」』\]])\s/\s(?=\S)",
    "joining word on a line": rf"\n\s{{0,4}}[-–—*_(]{{0,4}}\s?(?:{_OR}|of)\s?[-–—*_)]{{0,4}}"
    r"[:：]?\s{0,4}(?=\n)",
    "joining word in capitals": r"(?-i:(?<=[a-zß-öø-ž])[ \n](?:OR|ODER|OU|OPPURE|LUB|ILI|NEBO"
    r"|ELLER|VEYA)[ \n](?=[^\W\d_]+ [^\W\d_]+ [^\W\d_]+ ))",
}
"""What joins two alternatives without a mark before the first one."""
_JOIN = re.compile(
    rf"{_BEHIND}(?:{'|'.join(_BEHIND_SENTENCE.values())})|{'|'.join(_ANYWHERE.values())}",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{2}")
_FIRST_ITEM = re.compile(r"(?:1|\b[aA])\)")
_MIN_WORDS = 3
_MIN_WIDE_CHARS = 8
"""A shorter beginning is a title or a name: "Portland OR"."""


def take_first_alternative(text: str) -> str:
    """The first of several captions; a text that is only one, unchanged."""
    if not _WORD.search(text):
        return text
    masked = mask_quoted_text(text)
    start, stop = 0, len(text)
    for first, second in _LISTS:
        head = first.match(masked)
        following = head and second.search(masked, head.end())
        if head is not None and following is not None:
            start, stop = head.end(), following.start()
            break
    for join in _JOIN.finditer(masked, start, stop):
        end = max(join.start(), join.end("end"))
        is_in_list = join["second"] and _FIRST_ITEM.search(text, 0, end)
        if not is_in_list and _is_caption(text[start:end]):
            return text[start:end].strip()
    return text[start:stop].strip() if start and _is_caption(text[start:stop]) else text


def _is_caption(text: str) -> bool:
    return len(text.split()) >= _MIN_WORDS or (not text.isascii() and len(text) >= _MIN_WIDE_CHARS)
