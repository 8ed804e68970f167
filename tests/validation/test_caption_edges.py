"""Each kind of edge is found in what wrapping leaves, and in nothing that people write."""

import pytest

from app.validation.caption_edges import FIRST, LAST, find_edge

LEFT_FIRST = {
    "remark in brackets": ["[image: cat.png] A dog runs.", "[07:00] A dog.", "(image) A dog."],
    "sign glued to a word": ["##A dog runs.", "#A dog runs.", "-A dog runs.", "#犬が走る。"],
    "number glued to a word": ["1.A dog runs.", "(1)A dog runs."],
    "number and a dash": ["1 - A dog runs."],
    "two marks of a list": ["Step 1: 1) A dog runs.", "A) 1) A dog."],
    "step and two quotation marks": ["Step 1: '\"1) A dog runs."],
    "words before an option": ["caption Option A: A dog runs.", "text Caption → A dog."],
    "time and a speaker": ["12:03 PM - Claude: A dog runs.", "[12:03:15] bot: A dog."],
    "name of a reader": ["@user Answer - A dog runs.", "@anna A dog runs.", "@user me: look"],
    "option and a comma": ["Version 1 –, 1, A dog runs."],
    "question of a prompt": ["What is shown? A dog runs."],
    "signature": ["Best regards, Your assistant"],
    "remark to the reader": ["P.S. It is short.", "Why this works: It is short."],
    "first of two numbers": ["① A dog runs."],
    "name of an option alone": ["Option 1 (concise)", "Version A"],
    "second option": ["Second option: A dog runs.", "Another version: A dog."],
    "joining word": ["Or: A dog runs.", "Or, a bit shorter: A dog.", "Oder: Ein Hund."],
    "half a member of JSON": ['1": "A dog runs.', "CAPTION>': 'A dog."],
    "number before an open quotation": ["1 『A dog runs."],
    "fields in quotation marks": ['"id","caption" "1","A dog runs."'],
    "two quotations of sentences": ['"A dog runs on a beach." "A dog sits."'],
    "quotation before a role": ["„A brown dog runs on a beach. END“ assistant"],
    "quotation before a sentence": ['"Describe it." — A dog runs on a beach.'],
    "value of a program": ['None, "A dog runs."', "null 'A dog runs.'"],
    "statement with a string": [
        "SELECT 'A dog runs.'",
        "(echo 'A dog runs.'",
        "caption echo 'A dog runs.'",
    ],
    "prompt of a program": ["Out[1]: 'A dog runs.'", "$ A dog runs.", "llava> A dog runs."],
    "assignment": ["role=assistant A dog runs."],
    "word and dots": ["Processing... A dog runs.", "Done! A dog runs."],
    "entry of a log": ["INFO: A dog runs."],
    "name of a model": ["GPT-4: A dog runs.", "Llava-1.5: A dog runs."],
    "who said it": ["Assistant said: A dog runs.", "ChatGPT said: 犬"],
    "role of a kind": [
        "You: A dog runs.",
        "User 1: Look.",
        "AI Assistant: A dog runs.",
        "Speaker 1: A dog runs.",
    ],
    "token glued to a word": ["loc0100A dog runs.", "Loc0100犬が走る。"],
    "field glued to a word": ["caption,A dog runs.", "1;A dog runs."],
    "words before another script": ["Status: all ok 犬が走る。"],
    "role glued to a word": ["userDescribe it.", "assistantfinal A dog runs."],
    "number of a draft": ["Draft 1: A dog runs.", "One sentence: A dog runs."],
    "name of a part of a prompt": ["Rules: no emoji. A dog runs.", "Task: describe it."],
    "metric": ["score: 0.93 A dog runs."],
    "bar in a quotation": ["「|犬が走る。"],
    "length alone": ["37 characters [1]", "(12 words)"],
    "bracket apart from its text": ["( a) A dog runs.", "[ A dog runs."],
    "word of a format before an option": ["text Step 1: Bir köpek.", "caption Option 1: Un chien."],
    "role and a comma": ["assistant, echo 'A dog runs.'"],
    "number of a row": ["1 Zwei Tassen stehen neben einem Schild.", "1 The dog runs."],
    "label in a quotation": [
        '"The caption is: "A dog runs.',
        '"Step 1: caption: "A dog.',
        '"Alt 1: " A dog runs.',
        '"Concise: "“A dog.',
    ],
    "number before a quotation": ['1 "A dog runs on a beach."', '2 “"A dog runs on a beach."”'],
    "two kinds of quotation marks": ["'\"A dog runs.", '“"A dog runs.'],
    "name of a tag": ["Br Un cane corre su una spiaggia."],
    "name of a field alone": [
        "caption s",
        "addCriterion s",
        "Alt text:",
        "caption",
        "caption caption.py",
    ],
    "sureness alone": ["0.93", "(0.5)"],
}
LEFT_LAST = {
    "remark in brackets": ["A dog runs. [end of caption]", "A dog runs.[^1]"],
    "metric": [
        "A dog runs. confidence: 0.9",
        "A dog runs. Confidence: 0.93 b)",
        "A dog runs. Model: llava-13b",
    ],
    "field": [
        "A dog runs. gt: a dog",
        "A dog runs.addCriterion lang: en",
        "A dog. - score: 0.9",
        "A dog. — 37 characters score: 0.9",
    ],
    "note in brackets": ["A dog runs. (Note: names are guesses.)", "犬が走る。（注：推測）"],
    "percentage": ["A dog runs. 93%", "犬が走る。93%"],
    "length": [
        "A dog runs. ~56 chars",
        "Un cane corre. — 37 characters assistant",
        "犬が走る。— 37 characters 2.",
    ],
    "number and word for an option": [
        "Menu: soup €4.50, bread €2. 1/3 Вариант",
        "A dog 1/2 Option",
        "A sign 3) Variante",
    ],
    "word for an option": [
        "Un perro corre. Version [1]",
        "A dog runs. Opción",
        "A dog runs. Alt 2",
    ],
    "half a member of JSON": ['A dog runs. ", "sc', "Pas trči.”, “"],
    "signature": ["A dog runs. Your assistant 2.", "A dog runs. Best regards, Your assistant"],
    "joining word": ["A dog runs. OR", "Ein Hund läuft. Oder"],
    "number of a footnote": ["A dog runs. ²"],
    "Roman number": ["A dog runs. II."],
    "remark": ["A dog runs. Thank you.", "A dog runs. The end."],
    "role glued to a word": ["A dog runs. ENDassistant", "A dog — 37 charactersassistant"],
    "percent-encoded sign": ["A dog runs.%20"],
    "comment": ["A dog runs. # noqa", "A dog runs. //"],
    "letter of a list item": ["“A dog runs.” a.", "「犬が走る。」 b)"],
    "number in brackets": ["A dog runs. (1)", "“犬が走る。 (1)” a."],
}
SIGNS_AT_EDGES = [
    "^A dog runs.^", "A dog runs.´´", "⟬A dog runs.⟭", "$A dog runs.$", "A dog runs. #", "%22A dog",
    "A dog runs.“'", "A dog runs on a beach.''\".",
    "A dog runs.」\".", "‹Sure! A dog runs.›\".", "『犬が走る。』].", "A dog runs. User\"』\".",
    "Une porte « Ouvert » dans une rue.“\"",
]  # fmt: skip
WRITTEN_BY_PEOPLE = [
    "[sic] is tattooed on an arm.",
    "@altwright on a mug.",
    "(a) A red cell, (b) a blue cell.",
    "#1 Dad is printed on a mug.",
    "A bowl of the dogs'.", "A 24\".", "A sign (“Go”).",
    "1 Euro liegt auf einem Tisch.", "1 Million Menschen", "A user, a phone and a bag",
    "1 “Stop” sign and 2 “Go” signs.", "Die „rote“ Tür („offen“).", "\"Ouvert », dit-on.",
    "€0.99", "2024", "1984, a novel", "Image of a dog", "Caption contest",
    "A photo (1) and a drawing (2)",
    "'Tis the season on a mug", "She says: (“Go.”).", "A sign reads “Vitamin” C.",
    "#MeToo on a banner.",
    "-5 °C on a thermometer",
    "+1 and -1 on two buttons",
    "$5 lies on a table.",
    "~50 people in a hall",
    "1. FC Köln on a scarf",
    "0,5 Liter Wasser in einer Flasche",
    "10 - 20 people wait at a stop.",
    "“Stop.” and “Go.” on two signs",
    '"To be or not to be." — William Shakespeare',
    "None of the chairs is taken.",
    "Print of a wave in blue",
    "INFORMATION: a desk at an airport",
    "Final score on a board: 3-2",
    "Formats of paper from A0 to A6",
    "User interface of a phone",
    "① Open the box. ② Take the cup out.",
    "Option 1 and option 2 on a ballot",
    "A dog (left: a cat)",
    "№ 5 on a bottle",
    ".NET on a book",
    "A pie chart of 4.93%",
    "A jar of honey, 93%",
    "A portrait of Elizabeth II.",
    "The musical note C#",
    "A book by A. C. Clarke (1953)",
    "A cup that says ‘We say “stop.”’",
    "A child holds a sign: “Thank you.”",
    "E=mc² on a blackboard",
    "He says “we say ‘stop.’”",
    "iPhone15 on a table",
    "The price is 5 $",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in LEFT_FIRST.items() for text in texts]
)
def test_each_kind_is_found_at_the_start(name: str, text: str) -> None:
    assert FIRST[name].match(text)
    assert find_edge(text) is not None


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in LEFT_LAST.items() for text in texts]
)
def test_each_kind_is_found_at_the_end(name: str, text: str) -> None:
    assert LAST[name].search(text)
    assert find_edge(text) is not None


def test_each_kind_has_an_example() -> None:
    assert LEFT_FIRST.keys() == FIRST.keys()
    assert LEFT_LAST.keys() == LAST.keys()


@pytest.mark.parametrize("text", SIGNS_AT_EDGES)
def test_no_sentence_begins_or_ends_with_such_a_sign(text: str) -> None:
    assert find_edge(text) is not None


@pytest.mark.parametrize("text", WRITTEN_BY_PEOPLE)
def test_nothing_is_found_in_what_people_write(text: str) -> None:
    assert find_edge(text) is None
