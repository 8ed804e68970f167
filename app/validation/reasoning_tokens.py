"""Out with what a model thought and with the marks of its chat template.

Everything here is a search for fixed strings: linear in the draft, which may be a megabyte.
"""

import re

MAX_DRAFT_CHARS = 8_000
"""What is left of a draft is cut to this before closer work: eight times our longest caption."""


def _any_of(*marks: str) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(mark) for mark in marks), re.IGNORECASE)


# Seen in answers of Qwen, DeepSeek, GLM, Kimi-VL, Mistral, Gemma, Seed, MiniCPM, gpt-oss, Apriel.
_THINKING_STARTS = _any_of(
    "<think>", "<thinking>", "<thought>", "<reasoning>", "<analysis>", "<seed:think>",
    "<|channel>", "<|channel|>", "◁think▷", "[THINK]", "<|think|>", "<|begin_of_thought|>",
    "<scratchpad>",
)  # fmt: skip
_THINKING_ENDS = _any_of(
    "</think>", "</thinking>", "</thought>", "</reasoning>", "</analysis>", "</seed:think>",
    "<channel|>", "◁/think▷", "[/THINK]", "<|/think|>", "<|end_of_thought|>", "</scratchpad>",
)  # fmt: skip
_ANSWER_STARTS = _any_of(
    "<|channel|>final<|message|>", "<|begin_of_box|>", "<|begin_of_solution|>", "<answer>",
    "<final_answer>", "[BEGIN FINAL RESPONSE]",
)  # fmt: skip
_TURN_ENDS = _any_of(
    "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end|>", "<|return|>", "<|end_of_text|>",
    "<|eos|>", "<|end_of_box|>", "<|end_of_solution|>", "</s>", "<eos>", "<end_of_turn>",
    "<turn|>", "<end_of_utterance>", "<｜end▁of▁sentence｜>", "</answer>", "</final_answer>",
    "[END FINAL RESPONSE]", "[/INST]", "[INST]", "<s>",
)  # fmt: skip
_TURN_HEADS = re.compile(
    r"(?:<\|im_start\|>|<start_of_turn>|<\|start_header_id\|>|<\|start\|>|<\|turn>)"
    r"[ \t]{0,4}(?:assistant|model|system|user)?(?:<\|end_header_id\|>|<\|message\|>)?",
    re.IGNORECASE,
)
_TOKENS = re.compile(
    r"<[|｜][^<>|｜\n]{1,40}[|｜]>|<(?:bos|pad|unk|image|row_\d+_col_\d+)>|<0x[0-9A-F]{2}>"
    r"|\[(?:IMG|IMG_END)\]",
    re.IGNORECASE,
)
_SPEAKER = re.compile(r"\s*(?:assistant|model|gpt|ai|bot)\s*(?::|\n)\s*", re.IGNORECASE)

# What base models and small ones write: both sides of a talk, each on a line of its own.
_NEXT_TURN = re.compile(
    r"(?:^|\n)[ \t]{0,4}(User|Human|Assistant|USER|HUMAN|ASSISTANT)[ \t]{0,2}:[ \t]"
)
_ASKED = re.compile(r"\s{0,20}(?:<s>)?\s{0,20}\[INST\].{0,4000}?\[/INST\](?=\s*\S)", re.DOTALL)

# How models begin that think aloud without a mark around it. Such a draft holds instructions,
# doubts and half answers; no part of it is taken for a caption.
_THINKS_ALOUD = re.compile(
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


def strip_reasoning(draft: str) -> str:
    """What the model said when it had done thinking, without template tokens.

    Empty where it never got that far (an unclosed thinking mark).
    """
    text = _after_last(_ANSWER_STARTS, draft)
    if text is None:
        text = _without_thinking(draft)
    text = _TURN_HEADS.sub("", text[: 4 * MAX_DRAFT_CHARS])
    asked = _ASKED.match(text)
    if asked is not None:
        text = text[asked.end() :]
    text = next((part for part in _TURN_ENDS.split(text) if part.strip()), "")
    text = _TOKENS.sub(" ", text)
    text = _own_turn(text)
    return _unboxed(text.strip())[:MAX_DRAFT_CHARS]


def is_unmarked_reasoning(answer: str) -> bool:
    """True where the answer is the model's reasoning, although nothing marks it so."""
    return _THINKS_ALOUD.match(answer.lstrip("*#-_> \n")[:400]) is not None


def _own_turn(text: str) -> str:
    """What the model says itself: before it plays its user, else its first answer after that."""
    speaker = _SPEAKER.match(text)
    if speaker is not None:
        text = text[speaker.end() :]
    before, *turns = _NEXT_TURN.split(text)
    if before.strip() or not turns:
        return before
    answers = zip(turns[::2], turns[1::2], strict=True)
    return next(
        (said for who, said in answers if who.casefold() == "assistant" and said.strip()), text
    )


def _unboxed(text: str) -> str:
    """The words in the box of models that were taught to answer sums: `\\boxed{\\text{A cup.}}`."""
    boxed = text.strip("$. ")
    for opening in ("\\boxed{", "\\text{"):
        if not boxed.startswith(opening) or not boxed.endswith("}"):
            break
        text = boxed = boxed[len(opening) : -1].strip()
    return text


def _without_thinking(draft: str) -> str:
    start = _THINKING_STARTS.search(draft)
    before = draft[: start.start()] if start else ""
    after = _after_last(_THINKING_ENDS, draft)
    if after is None:
        return before if start else draft
    again = _THINKING_STARTS.search(after)
    if again is not None:
        after = after[: again.start()]
    # Some models answer first and think afterwards.
    return after if after.strip() else before


def _after_last(pattern: re.Pattern[str], text: str) -> str | None:
    end = max((match.end() for match in pattern.finditer(text)), default=None)
    return None if end is None else text[end:]
