"""Strips reasoning and chat-template tokens from a model's draft.

A draft may have 100,000 characters. Tokens are searched for as fixed strings in its bytes, which
takes 2 ms where a regular expression of the same tokens takes 60.
"""

import functools
import re

from app.validation.alternatives import OPTION_WORDS
from app.validation.chat_turns import assistant_turn

MAX_DRAFT_CHARS = 5_000
"""A stripped draft is cut to this length: longer than any caption, and than a text to check."""

_END_CHARS = 50_000
"""What is read of each end of a draft: an answer stands before or after reasoning."""


def _any_of(*tokens: str) -> tuple[bytes, ...]:
    return tuple(token.encode().lower() for token in tokens)


# Seen in drafts of Qwen, DeepSeek, GLM, Kimi-VL, Mistral, Gemma, Seed, MiniCPM, gpt-oss, Apriel,
# MedGemma.
_REASONING_STARTS = _any_of(
    "<think>", "<thinking>", "<thought>", "<reasoning>", "<analysis>", "<seed:think>",
    "<|channel>", "<|channel|>", "◁think▷", "[THINK]", "<|think|>", "<|begin_of_thought|>",
    "<scratchpad>", "<unused94>", "<antThinking>", "<reflection>", "<search_quality_reflection>",
    "<longcat_think>", "<reason>", "<rationale>",
)  # fmt: skip
_REASONING_ENDS = _any_of(
    "</think>", "</thinking>", "</thought>", "</reasoning>", "</analysis>", "</seed:think>",
    "<channel|>", "◁/think▷", "[/THINK]", "<|/think|>", "<|end_of_thought|>", "</scratchpad>",
    "<unused95>", "</antThinking>", "</reflection>", "</search_quality_reflection>",
    "</longcat_think>", "</reason>", "</rationale>",
)  # fmt: skip
_ANSWER_STARTS = _any_of(
    "<|channel|>final<|message|>", "<|begin_of_box|>", "<|begin_of_solution|>", "<answer>",
    "<final_answer>", "<conclusion>", "[BEGIN FINAL RESPONSE]", "assistantfinal",
)  # fmt: skip
# What follows a lone end token, and others, and is no answer, but the second of several.
_SECOND_ALTERNATIVE = re.compile(
    r"(?:\s{0,4}<[/|｜]?\w[^<>\n]{0,30}>){0,3}[}\])\"'`]{0,3}\s{0,9}"
    r"(?:[-*_]{3}\s{0,9}\n|(?<=[\"”»]\n\n)[\"“«]|(?P<bullet>[-*•])\s"
    rf"|[-*+#> \t]{{0,6}}(?:\(?2[.)]|(?:{OPTION_WORDS}|alt|caption)\s?#?(?:2|b|two|ii)\b"
    r"|(?:seo|detailed|long(?:er)?|alternative(?:ly)?)\b))",
    re.IGNORECASE,
)
_HALF_TOKEN = re.compile(r"[^\w<]{0,3}\w{3,20}>")
_BULLET = re.compile(r"^[ \t]{0,4}[-*•]\s", re.MULTILINE)
_ALTERNATIVE_MAX_CHARS, _SECOND_START_CHARS = 300, 160
_SPECIAL_TOKENS = re.compile(
    r"<[|｜][^<>|｜\n]{1,40}[|｜]>|<(?:bos|pad|unk|image|row_\d+_col_\d+)>|<0x[0-9A-F]{2}>|▁|⁇"
    r"|data:\s?\[DONE\]|(?<=\n)data:\s*$|<unused\d{1,4}>|\[[gs]MASK\](?:\s?<?sop(?![a-z])>?)?|<[se]op>|\[/?(?-i:[A-Z]{2,20}(?:_[A-Z\d]{1,20}){1,3})\]"
    r"|\[(?:IMG|MASK|SUFFIX|PREFIX|DONE|END|EOS|EOT|BOS|START|STOP|PAD|UNK|CLS|SEP)(?:\]|\s{0,4}$)",
    re.IGNORECASE,
)
# What a template puts between these is the caller's.
_PROMPT_BLOCK = re.compile(
    r"\[(SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS)\](?:[^\[]|\[(?!/\1\])){0,4000}+\[/\1\]"
)
# A space and a line end in the vocabulary of byte-level tokenisers; letters of Maltese, too.
_BYTE_LEVEL_TOKENS = re.compile(r"(?<!\w)Ġ(?=[A-Z\u0370-\uffff][^A-Z])|(?<=[^\w\s])Ċ{1,3}(?!\w)")
_BOX = re.compile(r"[\\@](?:boxed|text|textbf|textit|emph|mathrm|caption)\{")
_MAX_BOXES = 3
# First words of reasoning that no token marks. Such a draft contains instructions, doubts and
# half-finished sentences; no part of it is used as a caption.
_UNMARKED_REASONING = re.compile(
    r"(?:(?:okay|ok|alright|so|hmm|well|right|got it|first|now)[,.!:]?\s+){0,6}+"
    r"(?:the user(?:'s|’s)? (?:want|ask|request|provid|upload|sent|gave|give|said|sa[iy]|need|input"
    r"|prompt|question|instruct|would like|is (?:ask|request|want|look|seek|providing)"
    r"|has (?:ask|provid|upload|request|given|sent|shared|specified|instructed)|shared|specif"
    r"|mention|task|query|message|just (?:want|ask))"
    r"|user (?:wants|asks|asked)|here are my reasoning"
    r"|(?:i|we) (?:need|have|must|should|want|am asked|are asked|are given)\b"
    r"|i['’]m (?:asked|given)"
    r"|(?:let['’]s|let us) (?:see|tackle|start|begin|think|look|describe|analy[sz]e|go|try|create"
    r"|figure|work|check|craft|draft|write)"
    r"|let me (?:see|think|look|start|describe|analy[sz]e|check|try|craft|draft|write|tackle)"
    r"|(?:my|the) (?:task|goal|job) is|(?:the )?(?:task|instructions?|prompt|rules?)"
    r" (?:is|are|says?)"
    r"|(?:step by step|thinking process|thought process|analysis of the request))",
    re.IGNORECASE,
)


@functools.lru_cache(maxsize=4)  # the parser of a response and validation strip the same draft
def strip_reasoning(draft: str) -> str:
    """The answer in a draft, without reasoning and template tokens.

    Empty where the reasoning has a start token and no end token: the model never answered.
    """
    if len(draft) > 2 * _END_CHARS:
        draft = f"{draft[:_END_CHARS]}\n{draft[-_END_CHARS:]}"
    whole = _TokenText(draft)
    answer = whole.after_last(_ANSWER_STARTS) or whole
    if answer is whole or answer.before_first(_REASONING_STARTS) is not None:
        answer = _drop_reasoning(answer)
    text = assistant_turn(str(answer))[: MAX_DRAFT_CHARS + 1_000]
    text = _SPECIAL_TOKENS.sub(" ", _PROMPT_BLOCK.sub(" ", text))
    if "Ġ" in text or "Ċ" in text:
        text = _BYTE_LEVEL_TOKENS.sub(" ", text)
    return _unbox(text.strip())[:MAX_DRAFT_CHARS]


def is_unmarked_reasoning(answer: str) -> bool:
    """True where the answer begins like reasoning, although no token marks it as such."""
    return _UNMARKED_REASONING.match(answer.lstrip("*#-_> \n")[:400]) is not None


def _unbox(text: str) -> str:
    """The content of a LaTeX box, as models trained on maths write: `\\boxed{\\text{A cup.}}`."""
    boxed = text.strip("$. ")
    for _ in range(_MAX_BOXES):
        opening = _BOX.match(boxed)
        if opening is None or not boxed.endswith("}"):
            break
        text = boxed = boxed[opening.end() : -1].strip()
    return text


def _drop_reasoning(draft: "_TokenText") -> "_TokenText":
    before = draft.before_first(_REASONING_STARTS)
    after = draft.after_last(_REASONING_ENDS)
    if after is None:
        return draft if before is None else before
    after = after.before_first(_REASONING_STARTS) or after
    whole = draft if before is None else draft.after_first(_REASONING_ENDS)
    first = whole and _first_alternative(whole, after)
    if first is not None:
        return first
    # Some models answer first and reason afterwards.
    return after if before is None or str(after).strip() else before


def _first_alternative(draft: "_TokenText", after: "_TokenText") -> "_TokenText | None":
    """The first of several captions, between which a lone end token stands."""
    second = _SECOND_ALTERNATIVE.match(str(after)[:_SECOND_START_CHARS])
    first = draft.before_first(_REASONING_ENDS)
    if second is None or first is None or len(str(first)) > _ALTERNATIVE_MAX_CHARS:
        return None
    is_thought = _HALF_TOKEN.match(str(first)) is not None
    return None if is_thought or (second["bullet"] and not _BULLET.search(str(first))) else first


class _TokenText:
    """A text in which tokens are searched for, in any case of their ASCII letters."""

    def __init__(self, text: str) -> None:
        # JSON may escape a lone surrogate.
        self._bytes = text.encode("utf-8", "surrogatepass")
        self._lower = self._bytes.lower()

    def __str__(self) -> str:
        return self._bytes.decode("utf-8", "surrogatepass")

    def after_last(self, tokens: tuple[bytes, ...]) -> "_TokenText | None":
        """The text after the last token; None where there is none."""
        ends = ((self._lower.rfind(token), len(token)) for token in tokens)
        end = max((start + length for start, length in ends if start >= 0), default=None)
        return None if end is None else self._slice(end, len(self._bytes))

    def after_first(self, tokens: tuple[bytes, ...]) -> "_TokenText | None":
        """The text after the first token; None where there is none."""
        found = [(at, len(token)) for token in tokens if (at := self._lower.find(token)) >= 0]
        return self._slice(sum(min(found)), len(self._bytes)) if found else None

    def before_first(self, tokens: tuple[bytes, ...]) -> "_TokenText | None":
        """The text before the first token; None where there is none."""
        starts = (self._lower.find(token) for token in tokens)
        start = min((start for start in starts if start >= 0), default=None)
        return None if start is None else self._slice(0, start)

    def _slice(self, start: int, end: int) -> "_TokenText":
        part = object.__new__(_TokenText)
        part._bytes, part._lower = self._bytes[start:end], self._lower[start:end]
        return part
