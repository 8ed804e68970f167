"""Draws drafts: a good sentence in wrapped, nested and half-closed marks, as models write them.

Of each draft the sentence must come out unchanged, or nothing: `find_leak` says what else did.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from app.types import Style
from app.validation.verdict import validate_text
from testing import answer_marks, language_marks

SENTENCES = (
    ("en", "A brown dog runs along a sandy beach."),
    ("en", 'A red door stands under a sign that reads "OPEN" in white letters.'),
    ("en", "Two mugs (one white, one blue) stand on a wooden table."),
    ("en", "A man's hat lies beside a 24-inch screen at 5 p.m. on a desk."),
    ("en", "Three children wait at a bus stop. A yellow bus turns into the street."),
    ("en", "A chessboard after 1. e4 e5 with a white knight on f3."),
    ("en", "Menu on a chalkboard: soup €4.50, bread €2, coffee €3."),
    ("en", "A black T-shirt with “<3” printed in red hangs on a rack."),
    ("en", "A street sign reads “Assistant Street 12” above a brick wall."),
    ("en", "An iPhone and a Nikon D850 lie beside the U.S. passport of a traveller."),
    ("de", "Ein brauner Hund läuft an einem Sandstrand entlang."),
    ("de", "Zwei Tassen stehen neben einem Schild mit der Aufschrift „Bitte nicht stören“."),
    ("fr", "Un chien brun court sur une plage de sable, près de l’eau."),
    ("fr", "Une porte rouge sous un panneau « Ouvert » dans une ruelle."),
    ("es", "Un perro marrón corre por una playa de arena junto al mar."),
    ("it", "Un cane marrone corre su una spiaggia di sabbia vicino al mare."),
    ("pt", "Um cachorro marrom corre por uma praia de areia perto do mar."),
    ("nl", "Een bruine hond rent over een zandstrand langs de zee."),
    ("hr", "Smeđi pas trči po pješčanoj plaži pokraj mora."),
    ("pl", "Brązowy pies biegnie po piaszczystej plaży nad morzem."),
    ("cs", "Hnědý pes běží po písečné pláži vedle moře."),
    ("tr", "Kahverengi bir köpek deniz kenarındaki kumsalda koşuyor."),
    ("ru", "Коричневая собака бежит по песчаному пляжу у моря."),
    ("ja", "茶色い犬が砂浜を走っていて、後ろに青い海が見えます。"),
    ("ko", "갈색 개 한 마리가 바닷가 모래사장을 달리고 있다."),
    ("zh", "一只棕色的狗在沙滩上奔跑，身后是蓝色的大海。"),
    ("ar", "كلب بني يركض على شاطئ رملي بجانب البحر الأزرق."),
    ("sv", "En brun hund springer längs en sandstrand vid havet."),
    ("da", "En brun hund løber langs en sandstrand ved havet."),
    ("nb", "En brun hund løper langs en sandstrand ved sjøen."),
    ("fi", "Ruskea koira juoksee hiekkarannalla meren vieressä."),
    ("hu", "Egy barna kutya fut a homokos tengerparton a víz mellett."),
    ("sl", "Rjav pes teče po peščeni plaži ob morju."),
    ("sr", "Смеђи пас трчи по пешчаној плажи поред мора."),
    ("bs", "Smeđi pas trči po pješčanoj plaži pored mora."),
    ("uk", "Коричневий собака біжить піщаним пляжем біля моря."),
    ("hi", "एक भूरा कुत्ता समुद्र के किनारे रेत पर दौड़ रहा है।"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FuzzedDraft:
    """A draft, and the sentence inside it."""

    text: str
    sentence: str
    locale: str
    marks: tuple[str, ...]
    """The names of the marks around it, the innermost first."""


_Wrap = Callable[[str], tuple[str, str, str]]


def _around(before: str, after: str = "") -> _Wrap:
    return lambda text: (before, text, after)


def _json(before: str, after: str) -> _Wrap:
    return lambda text: (before, json.dumps(text, ensure_ascii=False), after)


def _json_ascii(text: str) -> tuple[str, str, str]:
    return '{"alt_text": ', json.dumps(text), "}"


def _python(text: str) -> tuple[str, str, str]:
    return "{'caption': ", repr(text), "}"


def _attribute(text: str) -> tuple[str, str, str]:
    return '<img src="a.jpg" alt="', text.replace('"', "&quot;"), '">'


def _nested_json(text: str) -> tuple[str, str, str]:
    return '{"content": ', json.dumps(json.dumps({"caption": text}, ensure_ascii=False)), "}"


def _escaped_lines(text: str) -> tuple[str, str, str]:
    return "", text.replace("\n", "\\n"), "\\n"


def _florence(text: str) -> tuple[str, str, str]:
    return "{'<MORE_DETAILED_CAPTION>': ", repr(text), "}"


_ASK = "Describe this picture."
_OTHER = "A hound runs beside the sea."
MARKS: dict[str, tuple[_Wrap, ...]] = {
    "role": (
        _around("assistant\n"), _around("assistant "), _around("Assistant: "), _around("model\n"),
        _around("ASSISTANT: ", "</s>"), _around("", " assistant"), _around("", "assistant"),
        _around("", "\nassistant"), _around("", "\nuser\nThanks."), _around("[ASSISTANT]\n"),
        _around(f"user\n{_ASK}\nassistant\n"), _around(f"user {_ASK} assistant "),
        _around(f"USER: {_ASK} ASSISTANT: "), _around(f"User: {_ASK}\nAssistant: ", "\nUser: Ok."),
        _around(f"### Human: {_ASK}\n### Assistant: "), _around("### Response:\n", "\n### End"),
        _around("Human: What is this?\n\nAssistant: "), _around("**Assistant:** "),
        _around("<assistant>", "</assistant>"), _around("Bot: "), _around("AI: "),
        _around("[USER]\nCaption it.\n[ASSISTANT]\n"), _around("assistant: "),
        _around("### Assistant\n"), _around('{"role": "assistant", "content": "', '"}'),
        _around("Q: What is shown?\nA: "), _around("", "\nHuman: "), _around("", "\n\nUser:"),
        _around("model: "), _around("gpt\n"), _around("system\nuser\nassistant\n"),
    ),
    "turn": (
        _around("<|im_start|>assistant\n", "<|im_end|>"),
        _around(
            f"<|im_user|>user<|im_middle|>{_ASK}<|im_end|><|im_assistant|>assistant<|im_middle|>",
            "<|im_end|>",
        ),
        _around("", "<|im_assistant|>assistant<|im_middle|>"),
        _around("<start_of_turn>model\n", "<end_of_turn>"),
        _around(f"[INST] {_ASK} [/INST] ", "</s>"),
        _around(f"<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n{_ASK} [/INST] ", " </s>"),
        _around("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
        _around(f"<|user|>\n{_ASK}<|end|>\n<|assistant|>\n", "<|end|>"),
        _around("", "<|endoftext|>"), _around("<bos>", "<eos>"), _around("<s>", "</s>"),
        _around("<|begin_of_text|>", "<|end_of_text|>"), _around("", "<｜end▁of▁sentence｜>"),
        _around("<|header_start|>assistant<|header_end|>\n\n", "<|eot|>"),
        _around("<|start|>assistant<|channel|>final<|message|>", "<|return|>"),
        _around("<|turn>model\n", "<turn|>"), _around("<｜User｜>Look.<｜Assistant｜>"),
        _around("<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>", "<|END_OF_TURN_TOKEN|>"),
        _around("", "<|reserved_special_token_12|>"), _around("", "<unused12>"),
        _around("<|assistant|>\n", "</s>"), _around("", "<end_of_utterance>\nUser:"),
    ),
    "token": (
        _around("addCriterion\n"), _around("addCriterion "), _around("", "addCriterion"),
        _around("<|vision_start|><|image_pad|><|vision_end|>"), _around("<image>\n"),
        _around("[img-0] "), _around("im_end|>"), _around("", "<|im_end"), _around("", "|>"),
        _around("<ref>", "</ref><box>(100,200),(300,400)</box>"),
        _around("", " [[100, 200, 300, 400]]"),
        _around(
            "<|object_ref_start|>", "<|object_ref_end|><|box_start|>(10,20),(300,400)<|box_end|>"
        ),
        _around("<loc0100><loc0200><loc0300><loc0400> "),
        _around('<point x="10.5" y="20.1" alt="dog">', "</point>"),
        _around("", " [0.12, 0.34, 0.56, 0.78]"),
        _around('{"bbox_2d": [10, 20, 300, 400], "label": ', "}"), _around("<0x0A>"),
        _around("<|ref|>", "<|/ref|><|det|>[[10, 20, 300, 400]]<|/det|>"), _around("▁"),
        _around("<poly>", "</poly>"), _around("", "[END]"), _around("", " [DONE]"),
        _around("", "\ndata: [DONE]"), _around("<image_start>", "<image_end>"),
        _around("[gMASK]<sop>"), _around("[IMG][IMG_BREAK][IMG_END]"), _around("[TOOL_CALLS]"),
        _around("", "[/TOOL_CALLS]"), _around("[SYSTEM_PROMPT]x[/SYSTEM_PROMPT]"),
        _around("", "<eop>"), _around("[SUFFIX]", "[PREFIX]"), _around("[MASK] "),
    ),
    "fence": (
        _around("```\n", "\n```"), _around("```json\n", "\n```"), _around("~~~\n", "\n~~~"),
        _around("`", "`"), _around("```", "```"), _around("```text ", " ```"),
        _around("```markdown\n", "\n```\n"), _around("```\n```\n", "\n```"),
        _around("Here it is:\n```\n", "\n```"), _around('```json\n{"caption": "', '"}\n```'),
        _around("``", "``"), _around('"""', '"""'), _around(", "),
    ),
    "json": (
        _json('{"alt_text": ', "}"), _json('{"caption": ', ', "tags": ["dog"]}'), _json("[", "]"),
        _json('{"image": {"description": ', "}}"), _json('[{"alt": ', "}]"), _json_ascii, _python,
        _json("", ""), _json('json\n{"caption": ', "}"), _json('"caption": ', ","),
        _json('{"captions": [', "]}"), _json('{"type": "text", "text": ', "}"),
        _json('[{"type": "text", "text": ', "}]"), _json("{'alt': ", "}"),
        _json('{"result": {"caption": {"text": ', "}}}"), _json("caption: ", ""),
        _json('{"name": "caption", "arguments": {"text": ', "}}"),
        _json('{\n  "alt_text": ', ",\n}"),
        _json("```json\n[", "]\n```"), _nested_json,
        _json('{"<CAPTION>": ', "}"), _json("{'<DETAILED_CAPTION>': ", "}"), _florence,
        _json('{"option_1": ', ', "option_2": "A hound."}'), _json('{"1": ', ', "2": "A hound."}'),
    ),
    "html": (
        _around("<p>", "</p>"), _around('<div class="a">', "</div>"), _around("<b>", "</b>"),
        _around("<figure><figcaption>", "</figcaption></figure>"), _attribute,
        _around("<caption>", "</caption>"), _around("<!-- alt -->"), _around("", "<br/>"),
        _around("<answer>", "</answer>"),
        _around("<alt>", "</alt>"), _around("&lt;p&gt;", "&lt;/p&gt;"), _around("&quot;", "&quot;"),
        _around("<![CDATA[", "]]>"), _around("<?xml version='1.0'?><caption>", "</caption>"),
        _around("", "&nbsp;"), _around("<br>"), _around("<em><strong>", "</strong></em>"),
        _around("<alt_text>\n", "\n</alt_text>"), _around("", "<!-- ok -->"), _around("<img>"),
    ),
    "bracket": (
        _around("(", ")"), _around("[", "]"), _around("{", "}"), _around("<", ">"),
        _around("【", "】"), _around("((", "))"),
        _around("[[", "]]"), _around("（", "）"), _around("《", "》"), _around("<<", ">>"),
        _around("[", "]."), _around("( ", " )"), _around("⟨", "⟩"),
    ),
    "quote": (
        _around('"', '"'), _around("“", "”"), _around("„", "“"), _around("«", "»"),
        _around("« ", " »"), _around("'", "'"), _around("‘", "’"), _around("「", "」"),
        _around('"“', '”"'), _around("'\"", "\"'"), _around('""', '""'), _around('\\"', '\\"'),
        _around("“‘", "’”"), _around("»", "«"), _around("『", "』"), _around('"', '".'),
        _around("''", "''"), _around("``", "''"), _around("‹", "›"), _around("“", "“"),
        _around("”", "”"),
    ),
    "markdown": (
        _around("**", "**"), _around("*", "*"), _around("***", "***"), _around("__", "__"),
        _around("# "), _around("- "), _around("1. "), _around("> "), _around("* "),
        _around("", "\n\n---"), _around("---\n"),
        _around("## Alt text\n"), _around("- [ ] "), _around("[", "](https://example.com/a)"),
        _around("![", "](image.png)"), _around("~~", "~~"), _around("==", "=="),
        _around("\\*", "\\*"),
        _around("", "\n***\n"), _around("• "), _around("– "), _around("1) "), _around("(1) "),
        _around("a) "), _around("Step 1: "), _around("Option 1: "), _around("[1] "), _around("→ "),
        _around("> **", "**"), _around("<u>", "</u>"), _around("- **Caption**: "),
    ),
    "label": (
        _around("Alt text: "), _around("**Caption:** "), _around("Caption\n\n"),
        _around("Sure! Here is the caption:\n\n"), _around("Here's the alt text: "),
        _around("**Alt text:**\n"), _around("<think>The user wants a caption.</think>\n"),
        _around("caption: "), _around("alt_text: "), _around("caption: |\n  "),
        _around("Caption = "),
        _around("alt_text: >-\n  "), _around("**Answer**\n\n"), _around("Caption (concise):\n"),
        _around("Final answer: "), _around("Output:\n"), _around("The caption is: "),
        _around("<reasoning>short</reasoning>"), _around("◁think▷look◁/think▷"),
        _around("Caption → "), _around("Alt text -> "), _around("Caption => "),
        _around("Concise: "), _around("Short version: "), _around("[ID: ", " End ID]"),
        _around("[Image description: ", "]"), _around("Image ID: ", " [End ID]"),
        _around("[ID: ", ". End of image description.]"), _around("[Alt text: ", " /end alt]"),
        _around("### Reasoning\nIt is simple.\n### Answer\n"),
        _around("### Reasoning It is simple. ### Answer "),
        _around("## Caption ## "), _around("### Answer: "), _around("### Final answer\n"),
        _around("**Reasoning:** It is simple. **Answer:** "),
    ),
    "alternative": (
        _around("Alt 1: ", f" Alt 2: {_OTHER}"), _around("Option A: ", f"\nOption B: {_OTHER}"),
        _around("Option A: ", f" Option B: {_OTHER}"), _around("", f" OR {_OTHER}"),
        _around("", f"\n\nOR\n\n{_OTHER}"), _around("", f"\nOr: {_OTHER}"),
        _around("", f" / {_OTHER}"), _around("", f" Alternatively: {_OTHER}"),
        _around("1) ", f" 2) {_OTHER}"), _around("A) ", f"\nB) {_OTHER}"),
        _around("**Option 1:** ", f"\n\n**Option 2:** {_OTHER}"),
        _around("Variante 1: ", f" Variante 2: {_OTHER}"),
        _around("Opción A: ", f"\nOpción B: {_OTHER}"),
        _around("Version 1 – ", f" Version 2 – {_OTHER}"),
        _around("Вариант 1: ", f" Вариант 2: {_OTHER}"), _around("案1：", f"案2：{_OTHER}"),
        _around("选项A：", f"选项B：{_OTHER}"), _around("", f" (or: {_OTHER})"),
        _around("First option: ", f" Second option: {_OTHER}"),
        _around("", f"\nAlternative: {_OTHER}"), _around("Caption 1: ", f" Caption 2: {_OTHER}"),
    ),
    "escape": (
        _escaped_lines, _around("\\n"), _around("", "\\n\\n"), _around("", "\\n2."),
        _around("\\t"), _around("\\r\\n", "\\r\\n"), _around("", "\\\\n"),
        _around("\\u0022", "\\u0022"),
        _around("\x00"), _around("\u200b", "\ufeff"), _around("", "\\n\\nassistant"),
        _around("\\'", "\\'"),
        _around("%0A"), _around("", "&#10;"), _around("\u202e", "\u202c"), _around("\\n- "),
    ),
    "table": (
        _around("| ", " |"), _around("| Caption |\n|---|\n| ", " |"),
        _around("| Style | Caption |\n|:--|:--|\n| concise | ", " |"), _around("Caption | "),
        _around("|", "|"), _around("| 1 | ", " |"),
        _around("Style | Caption\n--- | ---\nconcise | "),
        _around("caption\t"), _around("id,caption\n1,"), _around("||", "||"),
    ),
    "code": (
        _around('caption = "', '"'), _around('print("', '")'), _around('return "', '";'),
        _around("alt='", "'"), _around("const alt = `", "`;"), _around("$\\text{", "}$"),
        _around("\\boxed{", "}"), _around("# caption.py\n"), _around("{{", "}}"),
        _around("${", "}"),
        _around('console.log("', '");'), _around("echo '", "'"), _around("/* ", " */"),
        _around("// "), _around('def caption():\n    return "', '"'), _around('f"', '"'),
        _around("```python\nprint('", "')\n```"), _around("@caption{", "}"),
        _around("caption=", "\n"),
        _around("$caption = '", "';"), _around("\\caption{", "}"), _around('<img alt="', '" />'),
        _around("`caption`: "), _around("\\textbf{", "}"), _around("--- caption\n"),
    ),
    "end": (
        _around("", " 2."), _around("", "\n2."), _around("", "\n-"), _around("", " *"),
        _around("", " (37 characters)"), _around("", "\n\n#dog #beach"), _around("", " b)"),
        _around("", " [1]"), _around("", " (1)"), _around("", "\n2)"), _around("", "\n•"),
        _around("", " 1/3"),
        _around("", " 3)"), _around("", "\n\n3. "), _around("", " [125/160]"),
        _around("", " END"), _around("", " ###"),
        _around("", " — 37 characters"), _around("", "\nConfidence: 0.93"), _around("", " ."),
        _around("", " ;"),
        _around("", "\nTags: dog, beach"), _around("", " a."), _around("", "\n\n"),
        _around("", " </end>"),
    ),
    "echo": (
        _around(f"{_ASK} "), _around(f"{_ASK}\n\n"), _around("Write alt text for this picture: "),
        _around("", " Keep it under 125 characters."), _around("", "\nDo not mention the picture."),
        _around("Task: describe the picture.\nAnswer: "), _around("You are a caption writer. "),
    ),
    "remark": (
        _around("Sure! "), _around("Certainly, here you go:\n"), _around("I hope this helps: "),
        _around("", "\n\nLet me know if you need anything else!"),
        _around("", "\n\nNote: This caption has 37 characters."),
        _around("", " (This is a concise alt text.)"), _around("", "\n\nThis caption is accurate."),
        _around("Okay, the user wants a caption.\n\n"),
        _around("Characters: 74. Good. "), _around("Length: 74 characters. OK. "),
        _around("74 characters. "), _around("Perfect. "), _around("Good. "),
        _around("", " I hope this helps!"), _around("", " Note that I cannot read the text."),
        _around("", " The exact place cannot be determined."),
        _around("", " Please note that names may be wrong."), _around("", " Looks good."),
        _around("", " That works."), _around("", " Characters: 74."), _around("", " (74)"),
    ),
}  # fmt: skip
ALL_MARKS = MARKS | answer_marks.MARKS
LANGUAGE_MARK = "language"
"""A label, an announcement or a remark in the language of the sentence."""
PROSE_MARKS = frozenset({
    "echo", "remark", "note", "refusal", "question", "more alternatives", LANGUAGE_MARK,
})  # fmt: skip
"""Marks that are sentences: cut, they could be the beginning of anything. Of most drafts with them
nothing may come out."""
_HALF_CLOSED_SHARE = 0.3
_DEPTHS = (1, 1, 1, 2, 2, 3, 4)


def draw_draft(random: Random) -> FuzzedDraft:
    """A sentence in one to four marks, of which each may be cut at either end."""
    locale, sentence = random.choice(SENTENCES)
    text, names = sentence, []
    for _ in range(random.choice(_DEPTHS)):
        name = random.choice((*ALL_MARKS, LANGUAGE_MARK))
        before, body, after = random.choice(_marks_of(name, locale))(text)
        if name not in PROSE_MARKS and random.random() < _HALF_CLOSED_SHARE:
            before, after, name = *_cut(random, before, after), f"{name}-"
        text = before + body + after
        names.append(name)
    return FuzzedDraft(text, sentence, locale, tuple(names))


def _marks_of(name: str, locale: str) -> tuple[_Wrap, ...]:
    if name == LANGUAGE_MARK:
        return language_marks.LANGUAGE_MARKS.get(locale, answer_marks.MARKS["meta"])
    return ALL_MARKS[name]


def is_alternative_of(draft: FuzzedDraft, caption: str) -> bool:
    """Whether a caption is another one that the draft offers, whole."""
    return any(
        other in draft.text and caption.rstrip(".") == other.rstrip(".")
        for other in (_OTHER, *answer_marks.OTHERS)
    )


def find_leak(draft: FuzzedDraft, style: Style) -> str | None:
    """What came out instead of the sentence; None where it came out, or nothing did."""
    verdict = validate_text(draft.text, style=style, locale=draft.locale, is_final=True)
    if verdict.outcome != "caption" or verdict.violations:
        return None
    is_whole = is_sentence_of(draft, verdict.caption) or is_alternative_of(draft, verdict.caption)
    return None if is_whole else verdict.caption


def is_sentence_of(draft: FuzzedDraft, caption: str) -> bool:
    """Whether a caption is the draft's sentence, its full stop aside."""
    return caption.rstrip(".。") == draft.sentence.rstrip(".。")


def _cut(random: Random, before: str, after: str) -> tuple[str, str]:
    """One mark cut: its beginning or its end gone, wholly or in part.

    Words are whole: each is a token, and a model's answer ends between tokens.
    """
    if before and (not after or random.random() < 0.5):
        signs = len(before) - len(before.lstrip("<|[({\"'`*#~$"))
        return random.choice(("", before[random.randint(0, signs) :])), after
    ends = [
        end
        for end in range(len(after) + 1)
        if not (after[end - 1 : end].isalnum() and after[end : end + 1].isalnum())
        and not after[:end].endswith("\\")
    ]
    return before, random.choice(("", after[: random.choice(ends)]))
