"""Draws drafts: a good sentence in wrapped, nested and half-closed marks, as models write them.

Of each draft the sentence must come out unchanged, or nothing: `find_leak` says what else did.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from app.types import Style
from app.validation.verdict import validate_text
from testing import answer_marks, language_marks
from testing.answer_marks import Wrap, around

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


def _json(before: str, after: str) -> Wrap:
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
MARKS: dict[str, tuple[Wrap, ...]] = {
    "role": (
        around("assistant\n"), around("assistant "), around("Assistant: "), around("model\n"),
        around("ASSISTANT: ", "</s>"), around("", " assistant"), around("", "assistant"),
        around("", "\nassistant"), around("", "\nuser\nThanks."), around("[ASSISTANT]\n"),
        around(f"user\n{_ASK}\nassistant\n"), around(f"user {_ASK} assistant "),
        around(f"USER: {_ASK} ASSISTANT: "), around(f"User: {_ASK}\nAssistant: ", "\nUser: Ok."),
        around(f"### Human: {_ASK}\n### Assistant: "), around("### Response:\n", "\n### End"),
        around("Human: What is this?\n\nAssistant: "), around("**Assistant:** "),
        around("<assistant>", "</assistant>"), around("Bot: "), around("AI: "),
        around("[USER]\nCaption it.\n[ASSISTANT]\n"), around("assistant: "),
        around("### Assistant\n"), around('{"role": "assistant", "content": "', '"}'),
        around("Q: What is shown?\nA: "), around("", "\nHuman: "), around("", "\n\nUser:"),
        around("model: "), around("gpt\n"), around("system\nuser\nassistant\n"),
    ),
    "turn": (
        around("<|im_start|>assistant\n", "<|im_end|>"),
        around(
            f"<|im_user|>user<|im_middle|>{_ASK}<|im_end|><|im_assistant|>assistant<|im_middle|>",
            "<|im_end|>",
        ),
        around("", "<|im_assistant|>assistant<|im_middle|>"),
        around("<start_of_turn>model\n", "<end_of_turn>"),
        around(f"[INST] {_ASK} [/INST] ", "</s>"),
        around(f"<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n{_ASK} [/INST] ", " </s>"),
        around("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
        around(f"<|user|>\n{_ASK}<|end|>\n<|assistant|>\n", "<|end|>"),
        around("", "<|endoftext|>"), around("<bos>", "<eos>"), around("<s>", "</s>"),
        around("<|begin_of_text|>", "<|end_of_text|>"), around("", "<｜end▁of▁sentence｜>"),
        around("<|header_start|>assistant<|header_end|>\n\n", "<|eot|>"),
        around("<|start|>assistant<|channel|>final<|message|>", "<|return|>"),
        around("<|turn>model\n", "<turn|>"), around("<｜User｜>Look.<｜Assistant｜>"),
        around("<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>", "<|END_OF_TURN_TOKEN|>"),
        around("", "<|reserved_special_token_12|>"), around("", "<unused12>"),
        around("<|assistant|>\n", "</s>"), around("", "<end_of_utterance>\nUser:"),
    ),
    "token": (
        around("addCriterion\n"), around("addCriterion "), around("", "addCriterion"),
        around("<|vision_start|><|image_pad|><|vision_end|>"), around("<image>\n"),
        around("[img-0] "), around("im_end|>"), around("", "<|im_end"), around("", "|>"),
        around("<ref>", "</ref><box>(100,200),(300,400)</box>"),
        around("", " [[100, 200, 300, 400]]"),
        around(
            "<|object_ref_start|>", "<|object_ref_end|><|box_start|>(10,20),(300,400)<|box_end|>"
        ),
        around("<loc0100><loc0200><loc0300><loc0400> "),
        around('<point x="10.5" y="20.1" alt="dog">', "</point>"),
        around("", " [0.12, 0.34, 0.56, 0.78]"),
        around('{"bbox_2d": [10, 20, 300, 400], "label": ', "}"), around("<0x0A>"),
        around("<|ref|>", "<|/ref|><|det|>[[10, 20, 300, 400]]<|/det|>"), around("▁"),
        around("<poly>", "</poly>"), around("", "[END]"), around("", " [DONE]"),
        around("", "\ndata: [DONE]"), around("<image_start>", "<image_end>"),
        around("[gMASK]<sop>"), around("[IMG][IMG_BREAK][IMG_END]"), around("[TOOL_CALLS]"),
        around("", "[/TOOL_CALLS]"), around("[SYSTEM_PROMPT]x[/SYSTEM_PROMPT]"),
        around("", "<eop>"), around("[SUFFIX]", "[PREFIX]"), around("[MASK] "),
    ),
    "fence": (
        around("```\n", "\n```"), around("```json\n", "\n```"), around("~~~\n", "\n~~~"),
        around("`", "`"), around("```", "```"), around("```text ", " ```"),
        around("```markdown\n", "\n```\n"), around("```\n```\n", "\n```"),
        around("Here it is:\n```\n", "\n```"), around('```json\n{"caption": "', '"}\n```'),
        around("``", "``"), around('"""', '"""'), around(", "),
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
        around("<p>", "</p>"), around('<div class="a">', "</div>"), around("<b>", "</b>"),
        around("<figure><figcaption>", "</figcaption></figure>"), _attribute,
        around("<caption>", "</caption>"), around("<!-- alt -->"), around("", "<br/>"),
        around("<answer>", "</answer>"),
        around("<alt>", "</alt>"), around("&lt;p&gt;", "&lt;/p&gt;"), around("&quot;", "&quot;"),
        around("<![CDATA[", "]]>"), around("<?xml version='1.0'?><caption>", "</caption>"),
        around("", "&nbsp;"), around("<br>"), around("<em><strong>", "</strong></em>"),
        around("<alt_text>\n", "\n</alt_text>"), around("", "<!-- ok -->"), around("<img>"),
    ),
    "bracket": (
        around("(", ")"), around("[", "]"), around("{", "}"), around("<", ">"),
        around("【", "】"), around("((", "))"),
        around("[[", "]]"), around("（", "）"), around("《", "》"), around("<<", ">>"),
        around("[", "]."), around("( ", " )"), around("⟨", "⟩"),
    ),
    "quote": (
        around('"', '"'), around("“", "”"), around("„", "“"), around("«", "»"),
        around("« ", " »"), around("'", "'"), around("‘", "’"), around("「", "」"),
        around('"“', '”"'), around("'\"", "\"'"), around('""', '""'), around('\\"', '\\"'),
        around("“‘", "’”"), around("»", "«"), around("『", "』"), around('"', '".'),
        around("''", "''"), around("``", "''"), around("‹", "›"), around("“", "“"),
        around("”", "”"),
    ),
    "markdown": (
        around("**", "**"), around("*", "*"), around("***", "***"), around("__", "__"),
        around("# "), around("- "), around("1. "), around("> "), around("* "),
        around("", "\n\n---"), around("---\n"),
        around("## Alt text\n"), around("- [ ] "), around("[", "](https://example.com/a)"),
        around("![", "](image.png)"), around("~~", "~~"), around("==", "=="),
        around("\\*", "\\*"),
        around("", "\n***\n"), around("• "), around("– "), around("1) "), around("(1) "),
        around("a) "), around("Step 1: "), around("Option 1: "), around("[1] "), around("→ "),
        around("> **", "**"), around("<u>", "</u>"), around("- **Caption**: "),
    ),
    "label": (
        around("Alt text: "), around("**Caption:** "), around("Caption\n\n"),
        around("Sure! Here is the caption:\n\n"), around("Here's the alt text: "),
        around("**Alt text:**\n"), around("<think>The user wants a caption.</think>\n"),
        around("caption: "), around("alt_text: "), around("caption: |\n  "),
        around("Caption = "),
        around("alt_text: >-\n  "), around("**Answer**\n\n"), around("Caption (concise):\n"),
        around("Final answer: "), around("Output:\n"), around("The caption is: "),
        around("<reasoning>short</reasoning>"), around("◁think▷look◁/think▷"),
        around("Caption → "), around("Alt text -> "), around("Caption => "),
        around("Concise: "), around("Short version: "), around("[ID: ", " End ID]"),
        around("[Image description: ", "]"), around("Image ID: ", " [End ID]"),
        around("[ID: ", ". End of image description.]"), around("[Alt text: ", " /end alt]"),
        around("### Reasoning\nIt is simple.\n### Answer\n"),
        around("### Reasoning It is simple. ### Answer "),
        around("## Caption ## "), around("### Answer: "), around("### Final answer\n"),
        around("**Reasoning:** It is simple. **Answer:** "),
    ),
    "alternative": (
        around("Alt 1: ", f" Alt 2: {_OTHER}"), around("Option A: ", f"\nOption B: {_OTHER}"),
        around("Option A: ", f" Option B: {_OTHER}"), around("", f" OR {_OTHER}"),
        around("", f"\n\nOR\n\n{_OTHER}"), around("", f"\nOr: {_OTHER}"),
        around("", f" / {_OTHER}"), around("", f" Alternatively: {_OTHER}"),
        around("1) ", f" 2) {_OTHER}"), around("A) ", f"\nB) {_OTHER}"),
        around("**Option 1:** ", f"\n\n**Option 2:** {_OTHER}"),
        around("Variante 1: ", f" Variante 2: {_OTHER}"),
        around("Opción A: ", f"\nOpción B: {_OTHER}"),
        around("Version 1 – ", f" Version 2 – {_OTHER}"),
        around("Вариант 1: ", f" Вариант 2: {_OTHER}"), around("案1：", f"案2：{_OTHER}"),
        around("选项A：", f"选项B：{_OTHER}"), around("", f" (or: {_OTHER})"),
        around("First option: ", f" Second option: {_OTHER}"),
        around("", f"\nAlternative: {_OTHER}"), around("Caption 1: ", f" Caption 2: {_OTHER}"),
    ),
    "escape": (
        _escaped_lines, around("\\n"), around("", "\\n\\n"), around("", "\\n2."),
        around("\\t"), around("\\r\\n", "\\r\\n"), around("", "\\\\n"),
        around("\\u0022", "\\u0022"),
        around("\x00"), around("\u200b", "\ufeff"), around("", "\\n\\nassistant"),
        around("\\'", "\\'"),
        around("%0A"), around("", "&#10;"), around("\u202e", "\u202c"), around("\\n- "),
    ),
    "table": (
        around("| ", " |"), around("| Caption |\n|---|\n| ", " |"),
        around("| Style | Caption |\n|:--|:--|\n| concise | ", " |"), around("Caption | "),
        around("|", "|"), around("| 1 | ", " |"),
        around("Style | Caption\n--- | ---\nconcise | "),
        around("caption\t"), around("id,caption\n1,"), around("||", "||"),
    ),
    "code": (
        around('caption = "', '"'), around('print("', '")'), around('return "', '";'),
        around("alt='", "'"), around("const alt = `", "`;"), around("$\\text{", "}$"),
        around("\\boxed{", "}"), around("# caption.py\n"), around("{{", "}}"),
        around("${", "}"),
        around('console.log("', '");'), around("echo '", "'"), around("/* ", " */"),
        around("// "), around('def caption():\n    return "', '"'), around('f"', '"'),
        around("```python\nprint('", "')\n```"), around("@caption{", "}"),
        around("caption=", "\n"),
        around("$caption = '", "';"), around("\\caption{", "}"), around('<img alt="', '" />'),
        around("`caption`: "), around("\\textbf{", "}"), around("--- caption\n"),
    ),
    "end": (
        around("", " 2."), around("", "\n2."), around("", "\n-"), around("", " *"),
        around("", " (37 characters)"), around("", "\n\n#dog #beach"), around("", " b)"),
        around("", " [1]"), around("", " (1)"), around("", "\n2)"), around("", "\n•"),
        around("", " 1/3"),
        around("", " 3)"), around("", "\n\n3. "), around("", " [125/160]"),
        around("", " END"), around("", " ###"),
        around("", " — 37 characters"), around("", "\nConfidence: 0.93"), around("", " ."),
        around("", " ;"),
        around("", "\nTags: dog, beach"), around("", " a."), around("", "\n\n"),
        around("", " </end>"),
    ),
    "echo": (
        around(f"{_ASK} "), around(f"{_ASK}\n\n"), around("Write alt text for this picture: "),
        around("", " Keep it under 125 characters."), around("", "\nDo not mention the picture."),
        around("Task: describe the picture.\nAnswer: "), around("You are a caption writer. "),
    ),
    "remark": (
        around("Sure! "), around("Certainly, here you go:\n"), around("I hope this helps: "),
        around("", "\n\nLet me know if you need anything else!"),
        around("", "\n\nNote: This caption has 37 characters."),
        around("", " (This is a concise alt text.)"), around("", "\n\nThis caption is accurate."),
        around("Okay, the user wants a caption.\n\n"),
        around("Characters: 74. Good. "), around("Length: 74 characters. OK. "),
        around("74 characters. "), around("Perfect. "), around("Good. "),
        around("", " I hope this helps!"), around("", " Note that I cannot read the text."),
        around("", " The exact place cannot be determined."),
        around("", " Please note that names may be wrong."), around("", " Looks good."),
        around("", " That works."), around("", " Characters: 74."), around("", " (74)"),
    ),
}  # fmt: skip
ALL_MARKS = MARKS | answer_marks.MARKS
LANGUAGE_MARK = "language"
"""A label, an announcement or a remark in the language of the sentence."""
EVERY_MARK = (*ALL_MARKS, LANGUAGE_MARK)
PROSE_MARKS = frozenset({
    "echo", "remark", "note", "refusal", "question", "more alternatives", LANGUAGE_MARK,
})  # fmt: skip
"""Marks that are sentences: cut, they could be the beginning of anything. Of most drafts with them
nothing may come out."""
_HALF_CLOSED_SHARE = 0.3
_DEPTHS = (1, 1, 1, 2, 2, 3, 4)


def draw_draft(random: Random, marks: Sequence[str] = EVERY_MARK) -> FuzzedDraft:
    """A sentence in one to four of the named marks, of which each may be cut at either end."""
    locale, sentence = random.choice(SENTENCES)
    text, names = sentence, []
    for _ in range(random.choice(_DEPTHS)):
        name = random.choice(marks)
        before, body, after = random.choice(_marks_of(name, locale))(text)
        if name not in PROSE_MARKS and random.random() < _HALF_CLOSED_SHARE:
            before, after, name = *_cut(random, before, after), f"{name}-"
        text = before + body + after
        names.append(name)
    return FuzzedDraft(text, sentence, locale, tuple(names))


def _marks_of(name: str, locale: str) -> tuple[Wrap, ...]:
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
    return None if is_sentence_of(draft, verdict.caption) else verdict.caption


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
