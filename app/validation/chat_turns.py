"""Chat turns: the assistant's turn in a draft that has marks of a chat template, whole or in part.

A tokeniser may drop the special tokens of a template and keep its role names, keep half of a token,
or write tokens that its template does not know. A role name counts where no prose has one: beside a
token, alone on its line, before a colon, or in lower case between a sentence's end and a capital.
"""

import re

MAX_CHARS = 16_000
"""A draft is read up to this length: sixteen times the longest caption."""

# Names of special tokens of Qwen, Kimi-VL, Llama, Gemma, Phi, GLM, InternVL, DeepSeek, SmolVLM,
# MiniCPM, Molmo. Tokens with one of the first group end a turn or begin one.
_BOUNDARY_NAMES = (
    r"im_(?:start|end|sep|middle|user|assistant|system|tool)|(?:start|end)_header_id|header_(?:start|end)|(?:start|end)_of_turn_token"
    r"|(?:chatbot|user|system)_token|e(?:o|n)t_id"
    r"|eom_id|endoftext|(?:begin|end)_of_text|(?:start|end)_of_turn|end_of_utterance"
    r"|(?:begin|end)[_▁]of[_▁]sentence|start_of_role|end_of_role|fim_(?:prefix|middle|suffix)"
)
_INLINE_NAMES = (
    r"vision_(?:start|end|pad)|image_(?:pad|start|end|soft_token)|video_pad|(?:box|quad)_(?:start"
    r"|end)|object_ref_(?:start|end)|(?:begin|end|start)_of_(?:image|box)|media_(?:begin|end|pad"
    r"|content)|image_token|placeholder_token"
)
TOKEN_NAME = re.compile(rf"(?<!\w)(?:{_BOUNDARY_NAMES}|{_INLINE_NAMES})(?!\w)", re.IGNORECASE)
"""The name of a special token, which occurs in no prose."""

_USER_ROLES = r"user|human|system|tool|instruction|input|observation|question"
_MODEL_ROLES = r"assistant|model|gpt|chatgpt|bot|ai|response|output|answer"
_ROLES = rf"{_USER_ROLES}|{_MODEL_ROLES}"
# Speakers in other languages, which only a colon makes a role.
_OTHER_USERS = (
    "benutzer|nutzer|utilisateur|utilisatrice|usuario|usuaria|usuário|utente|gebruiker|użytkownik"
    "|uživatel|korisnik|uporabnik|användare|bruger|bruker|käyttäjä|felhasználó|kullanıcı"
    "|пользователь|користувач|корисник|utilizator|používateľ|χρήστης|người dùng|pengguna"
    "|ユーザー|用户|使用者|用戶|사용자|المستخدم|उपयोगकर्ता"
)
_OTHER_ASSISTANTS = (
    "assistent|asistente|assistente|asystent|asistent|avustaja|asszisztens|asistan|ассистент"
    "|асистент|помощник|помічник|アシスタント|助手|助理|어시스턴트|المساعد|सहायक"
)
_SPEAKERS = rf"user|human|assistant|{_OTHER_USERS}|{_OTHER_ASSISTANTS}"
_SPEAKERS_TITLE = "|".join(speaker.title() for speaker in _SPEAKERS.split("|"))
_IS_USER_ROLE = re.compile(rf"{_USER_ROLES}|{_OTHER_USERS}|inst|s|/?sys", re.IGNORECASE)

_TOKEN = (
    # Whole tokens of roles and ends, and known names with any part of their brackets.
    rf"<[|｜]/?(?P<role_token>{_ROLES}|end|eos|eot|eom|return|start|message|begin|turn|bos)[|｜]>"
    rf"|[<\[(]{{0,2}}[|｜]?/?(?<!\w)(?:im_(?P<role_name>user|assistant|system)|{_BOUNDARY_NAMES})"
    r"(?!\w)[|｜]?[>\])]{0,2}"
    r"|\[?/?(?-i:(?P<bracket_role>USER|HUMAN|ASSISTANT|SYSTEM))\]"
    r"|</?(?:s|eos|bos|turn|answer|final_answer)>|<(?:/?[|｜])?turn[|｜]?>|[|｜]turn>"
    r"|\[(?:END FINAL RESPONSE)\]|\[(?P<inst>INST)\]|\[/INST\]|<<(?P<sys>/?SYS)>>"
    r"|<[|｜]end_of_(?:box|solution)[|｜]>"
)
# "<|im_start|>assistant", but not "</s> Human skeleton".
_AFTER_TOKEN = (
    rf"(?:\s{{0,4}}(?:(?-i:(?P<role_after>{_ROLES}))(?![\w'’-])|(?P<role_word>{_ROLES})"
    r"(?=[ \t]{0,4}(?:[:：\n<\[]|$)))[ \t]{0,4}[:：]?)?"
)
_INLINE_ROLES = "user|human|assistant|system|model"
# A full stop that is none of an abbreviation's: "Map of the U.S. system", "pose vs. model".
_AFTER_SENTENCE = (
    r"(?:(?<=[^\W_]{2}[.!?])|(?<=[^\W_]{2}[.!?][\"”'’)\]»*_`])|(?<=[.!?。！？][\"”」』»])|(?<=[。！？]))"
    r"(?<!\bvs\.)(?<!etc\.)(?<!\bSt\.)(?<!\bDr\.)(?<!\bMr\.)(?<!nc\.)(?<!td\.)(?<!rp\.)"
)
# Lower-case prose would go on in lower case or with a comma.
_NO_PROSE_FOLLOWS = (
    r"(?!\w)(?-i:(?=\s{0,4}$|\s{0,4}\n|\s{0,4}[:：]|\s(?:[A-Z\d]|[^\w\s.,;’']|user|assistant)"
    r"|\s?[^\x00-\x7f’]|[\"“<(\[*`|]))"
)
# What begins a turn; each may say in a group whose turn it is.
_TURN_STARTS = {
    "token": rf"(?:{_TOKEN}){_AFTER_TOKEN}",
    "heading": rf"#{{2,4}}[ \t]{{0,4}}(?P<heading>{_ROLES})[ \t]{{0,4}}(?:[:：]|(?=\n))",
    # A role alone on its line, whatever is around it.
    "line": r"(?:^|\n)[ \t]{0,4}(?-i:[a-z]{3,20}(?:[A-Z][a-z]{2,20}){1,4}[ \t])?"
    rf"[\[(<*_#| \t\"'“„«‘]{{0,6}}(?P<line>{_ROLES})[ \t]?[\])>*_:|]{{0,3}}[ \t]{{0,4}}(?=\n)",
    "speaker": rf"(?:^|\n)[ \t]{{0,4}}[*_#]{{0,3}}[ \t]?(?P<speaker>{_SPEAKERS})[*_]{{0,3}}[ \t]?"
    r"(?::[*_]{0,2}[ \t]|：)",
    "capitals": r"(?:^|\n|(?<=[.!?。]\s))(?-i:(?P<capitals>USER|HUMAN|ASSISTANT|SYSTEM|GPT))[ \t]?"
    r"[:：]\s",
    "inside": rf"{_AFTER_SENTENCE}\s?(?-i:(?P<inline>(?:{_INLINE_ROLES}){{1,3}}))"
    rf"{_NO_PROSE_FOLLOWS}",
    "behind a mark": r"(?<=[\]>|*`»」』])\s?(?-i:(?P<behind_mark>(?:user|assistant){1,3}))"
    rf"{_NO_PROSE_FOLLOWS}",
    "after a sentence": rf"(?:(?<=[.!?]\s)|(?<=[。！？]))(?P<after_end>{_SPEAKERS})\s?(?::\s|：)",
}
_BOUNDARY = re.compile("|".join(_TURN_STARTS.values()), re.IGNORECASE)
# "user Describe it. assistant A dog": the first word of a draft, without its token.
_FIRST_ROLE = re.compile(
    r"\s{0,20}(?:<[^<>]{1,60}>\s?){0,3}(?:[a-z]{3,20}(?:[A-Z][a-z]{2,20}){1,4}\s)?(?P<first>user|human|system|assistant|model|gpt|bot)"
    r"(?:\s{0,4}[:：]\s{0,4}|\s{0,4}\n\s{0,4}"
    # "human DNA", "model T": only before the other's reply, or a word that begins no caption.
    r"|(?<=model)\s(?=[\u0400-\u06ff\u3040-\u9fff])|(?<=assistant)\s(?=[A-Z\d\"“'*(#\[<{|`-]|[^\x00-\x7f])"
    r"|\s(?=[A-Z\"“*#<](?s:.{0,4000})(?:\b|\n)assistant(?:\b|\n)))"
)
_SPEAKER_LABEL = re.compile(
    rf"\s*(?:(?:assistant|model|gpt|ai|bot)\s*(?::|\n)|(?:{_OTHER_ASSISTANTS})\s?[:：])\s*",
    re.IGNORECASE,
)
_ASSISTANT_INSIDE = re.compile(
    r"(?<!\w)(?:(?:assistant|model)[:：]?|(?:ASSISTANT|Assistant)[:：])\s(?=[A-Z\"“<`*]|[^\x00-\x7f])"
)
_WIDE = r"\u0400-\u06ff\u3040-\u9fff"
_ARTICLES = "An?|The|One|Two|Three|Several|In|On|Une?|Eine?|Una|Le|La|El|Der|Die|Das"
# Roles that cleaning could not place: at the end, or between sentences.
ROLES_LEFT = {
    "assistant first": r"^assistant\s(?=[A-Z\d]|[^\w\s]|[^\x00-\x7f])",
    "two roles first": r"^(?:assistant|model)\s(?:assistant|model)\b",
    "user first": r"^user\s(?=[A-Z\"“])",
    "role before an article": r"^(?:model|human|system)\s(?:An?|The|One|Two|Three|Several)\s",
    "capitalised role first": rf"^Assistant\s(?:(?:{_ARTICLES})\s|(?=[\"“«„{_WIDE}]))",
    "role in capitals": r"(?<!\w)(?:USER|HUMAN|ASSISTANT|SYSTEM)\]"
    r"|^(?:USER|HUMAN|ASSISTANT|SYSTEM)[:：]",
    "speaker first": rf"^(?:{_SPEAKERS_TITLE})\s?[:：]",
    "speaker in lower case": r"(?<!\w)(?:ai|bot|gpt|assistant):\s",
    "role last": r"[.!?。]\s?\S{1,3}\s(?:user|assistant)$",
    "role between sentences": rf"{_AFTER_SENTENCE}\s?(?:{_INLINE_ROLES}){{1,3}}{_NO_PROSE_FOLLOWS}",
    "speaker between sentences": rf"[.!?。]\s?(?:{_SPEAKERS_TITLE})\s?[:：]",
    "role behind a mark": r"(?<=[\]>|*`»」』])\s?(?:user|assistant){1,3}"
    rf"{_NO_PROSE_FOLLOWS}",
}
"""The name of each place of a role, and what finds it there."""
ROLE_LEFT = re.compile("|".join(ROLES_LEFT.values()))
IDENTIFIER_ALONE = re.compile(
    rf"\W{{0,6}}(?i:{_ROLES})\W{{0,6}}"
    r"|\s{0,9}(?:[a-z]{3,20}(?:[A-Z][a-z]{2,20}){1,4}|[a-z]{2,20}(?:_[a-z]{2,20}){1,4})\s{0,9}"
)
"""A role or a program's name for something, which is nobody's turn: "addCriterion"."""
# "### Reasoning\nIt is simple.\n### Answer\n": what is under the first heading is no reply.
_REASONING_NAMES = (
    r"(?:reasoning|analysis|thoughts?|thinking|thought process|explanation|observations?)"
)
_HEADED_REASONING = re.compile(
    rf"(?:#{{1,6}}\s{{0,4}}|[*_]{{2}}\s?){_REASONING_NAMES}\b"
    rf"|(?<!\w){_REASONING_NAMES}(?:[ \t]{{0,3}}\n|[*_]{{0,2}}\s?[:：])",
    re.IGNORECASE,
)
_ANSWERS = frozenset({"answer", "response", "output"})
_ENDS_IN_LABEL = re.compile(
    r"(?:answer|response|output|caption|alt text)[*_\s]{0,3}[:：][*_\s]{0,4}$", re.IGNORECASE
)
_ENDS_IN_QUESTION = re.compile(
    r"(?:human|user|question)\s?[:：]\s[^\n]{1,200}\s{0,9}$", re.IGNORECASE
)
_INTERJECTION_ALONE = re.compile(
    r"\W{0,4}[\w/]{1,20}\]\W{0,6}|[\W\d]{1,40}"
    r"|\W{0,4}(?:sure|certainly|of course|okay|ok|perfect|good|great|done|yes)\W{0,4}",
    re.IGNORECASE,
)
# A reply only where no other turn has text.
_TITLE_ALONE = re.compile(
    r"(?:\s{0,9}<[^<>\n]{1,40}>){0,3}\s{0,9}[^*#\n]{0,40}"
    r"(?:(?:\*\*)?[^*\n]{1,80}\*\*|#{1,6} [^\n.!?。]{1,80})(?<![.!?]\*\*)"
    r"\s{0,9}(?:\\caption\{)?"
)
# One of these is part of every mark: without any nothing else is searched for.
_HINTS = (
    *_ROLES.split("|"), *_SPEAKERS.split("|"), "_", "▁", "<s>", "</s>", "bos", "begin", "end",
    "eom", "eos", "eot", "inst", "message", "return", "start", "sys", "turn",
)  # fmt: skip
_ROLE_GROUPS = (
    "role_after", "role_word", "bracket_role", "role_token", "role_name", "heading", "line",
    "speaker", "capitals", "inline", "behind_mark", "after_end", "inst", "sys",
)  # fmt: skip


def assistant_turn(text: str) -> str:
    """The model's own turn: the first with text whose role is not another's.

    Empty where every turn with text is the user's or the system's. A text without marks of turns is
    returned unchanged.
    """
    text = text[:MAX_CHARS]
    lower = text.lower()
    if not any(hint in lower for hint in _HINTS):
        return text
    is_of_user = False
    first = _FIRST_ROLE.match(text)
    if first is not None:
        text = text[first.end() :]
        is_of_user = _IS_USER_ROLE.fullmatch(first["first"]) is not None
    else:
        speaker = _SPEAKER_LABEL.match(text)
        text = text if speaker is None else text[speaker.end() :]
    start, title = 0, ""
    for boundary in _BOUNDARY.finditer(text):
        turn = text[start : boundary.start()]
        reply = _reply_in(turn, is_of_user=is_of_user)
        role = next((boundary[group] for group in _ROLE_GROUPS if boundary[group]), "")
        is_no_reply = (
            IDENTIFIER_ALONE.fullmatch(reply)
            or _INTERJECTION_ALONE.fullmatch(reply)
            or _ENDS_IN_LABEL.search(reply, max(0, len(reply) - 40))
            or (_is_of_model(role) and _ENDS_IN_QUESTION.search(reply))
            or (role.casefold() in _ANSWERS and _HEADED_REASONING.search(reply))
        )
        if _TITLE_ALONE.fullmatch(reply):
            title = title or reply
        elif reply.strip() and not is_no_reply:
            return reply
        # A header may have several tokens: without a role and text between, it goes on.
        if role or turn.strip():
            is_of_user = _IS_USER_ROLE.fullmatch(role) is not None
        start = boundary.end()
    last = _reply_in(text[start:], is_of_user=is_of_user)
    return last if last.strip() else title


def _is_of_model(role: str) -> bool:
    return bool(role) and _IS_USER_ROLE.fullmatch(role) is None


def _reply_in(turn: str, *, is_of_user: bool) -> str:
    """The model's part of a turn: of a user's turn what follows the word "assistant"."""
    if not is_of_user:
        return turn
    reply = _ASSISTANT_INSIDE.search(turn)
    return "" if reply is None else turn[reply.end() :]
