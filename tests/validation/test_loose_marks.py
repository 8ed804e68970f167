"""Each kind of loose mark is found in what wrapping leaves, and in nothing that people write."""

import pytest

from app.validation.loose_marks import LOOSE_MARKS, find_loose_mark

LEFT_BY_WRAPPING = {
    "closing or doubled bracket first": [
        "] A dog runs.",
        '"1] A dog runs.',
        "((A dog runs.",
        "[# A dog runs.",
    ],
    "opening bracket or bar last": ["A dog runs {", "A dog runs <"],
    "role in brackets first": ["[ASSISTANT] A dog runs."],
    "quotation mark apart from its text": ['" A dog runs.', "A dog runs. '", "A dog runs ' b)"],
    "quotation in a quotation": ["“‘A dog runs.’”", '„A dog runs.“"'],
    "doubled quotation mark": ['""A dog runs.', "A dog runs.''"],
    "quotation mark of another language": ["»A dog runs."],
    "full stop after a closing mark": ["A dog runs.].", 'A dog runs.".', "„A dog runs.“."],
    "empty quotation": ["A dog “” runs.", "« »A dog runs."],
    "closing mark before a word": ["“A cat. ”A dog runs.", '"A cat. f"A dog runs.'],
    "angle bracket of mathematics": ["⟨A dog runs.⟩"],
    "run of quotation marks": [
        "A dog runs.”””",
        'A dog runs."\'"',
        "»Describe it. '\"»A dog runs.«",
    ],
    "run of brackets": ["(« 「A dog runs.", "A dog runs.)]}>", "(“A dog runs."],
    "number in an open quotation": ['"1. A dog runs.', "'2) A dog runs."],
    "bracket in a quotation's end": ['A dog runs.")"'],
    "dash or comma before a last mark": ['A dog runs. -"', 'A dog runs.", 2.'],
    "heading in an open quotation": ['"# A dog runs.', "“* A dog runs."],
    "dashes first": ["-- A dog runs.", "-----BEGIN CAPTION----- A dog runs."],
    "rule in a line": [
        "A dog runs. --- End ---",
        "A dog runs. +----+ (or: A cat.)",
        "Caption --- A dog runs.",
        "A dog runs. -----END-----",
    ],
    "file name before a sentence": ["caption photo.png - A dog runs."],
    "end of a tag in brackets": ["A dog runs.[/center] It barks."],
    "second number without a first": [
        "A dog runs. End 2) A cat sits.",
        "A dog runs. ② A cat sits.",
    ],
    "further option": ["A dog runs. Option 2: A cat sits.", "犬が走る。案2：猫が座る。"],
    "emphasis after a quotation": ["A “dog” *runs."],
    "sign of markup after a sentence": ["A dog runs.*", "A dog runs.”|"],
    "semicolon after a sentence": ['A dog runs.";'],
    "list of numbers after a sentence": ["A dog runs.[10, 20"],
    "emphasis at a word": ["__A dog runs.", "A dog_ runs."],
    "backtick at a word": ["`A dog runs."],
    "arrow of a comment": ["A dog runs.-->"],
    "half a tag": [
        "p>A dog runs.",
        "emTwo dogs run.",
        "loc0100> A dog runs.",
        "0x0A>A dog runs.",
        '"0x0A>| Caption',
    ],
    "part of an outline": ["Dog Setting: beach", "Dog; setting: beach; action: running"],
    "option of a generator": ["A dog on a beach --ar 16:9"],
    "reference to the picture": ["A dog runs (see image)."],
    "joining word in brackets": ["Pas trči. [1]' (or: A hound runs.)"],
    "bracket apart from its text": ["A dog runs. ) B) A hound."],
    "name of a note": ["[!NOTE] A dog runs."],
    "style of a caption": ["A dog runs. Style: concise ; 2) A hound."],
    "half an image's place": ["img-0] A dog runs."],
    "number at the end of a quotation": ['"A dog runs. (1)" May it be longer'],
    "word before a question": ["A dog runs. score Is this what you needed?"],
    "run of per cent signs": ["A dog runs. %%% A cat sits."],
    "names of columns first": ["id,caption 1,A dog runs."],
    "name of a field": ["alt_text: A dog runs."],
    "speaker first": ["AI: A dog runs.", "caption Bot: A dog runs."],
    "answer without its question": ["A: A dog runs."],
    "percent-encoded sign": ["%0AA dog runs."],
    "interjection first": ["(Sure! A dog runs."],
    "file name first": ["caption.py A dog runs."],
    "label without a colon": [
        "Caption A dog runs.",
        "Caption, 1, 'A dog runs.'",
        "Alt text | A dog runs.",
        "Final answer caption A dog runs.",
    ],
    "letter of an item after a sentence": [
        "A dog runs. b) It barks.",
        "A dog runs. 2) B) It barks.",
    ],
    "mark of an end": ["A dog runs. /end alt]", "A dog runs. [End ID] [1]"],
    "event of a stream": ["A dog runs. data: [DONE (74)"],
    "hashtag": ["A dog runs. #dog", "#dog #beach", "« A dog runs. » #dog 2."],
    "length of a text": [
        "A dog runs. (37 characters)",
        "A dog runs — 37 characters",
        "Un chien court. (52 caractères) Fin.",
        "狗在奔跑。— 37 characters Looks good.",
    ],
}
WRITTEN_BY_PEOPLE = [
    'A sign that reads "OPEN" in white letters.',
    "“1. FC Köln” on a red and white scarf",
    "A man's hat (blue) and the dogs' bowl.",
    "Eine Tafel mit der Aufschrift »Heute Ruhetag«",
    "Natpis „Otvoreno“ na vratima, a ispod njega „Dobro došli“",
    "Un homme lit le journal « Le Monde »",
    "En skylt med texten ”Stängt”",
    "A black T-shirt with “<3” printed on the chest.",
    "A sign with an arrow and the words \"Gate A > B\".",
    "A chart shows x>5 for every y<3",
    "A screen with a 24-inch diagonal; beside it a keyboard.",
    "A 12\" record in a sleeve.",
    "A plot of f(x) = x² (in red).",
    "The #5 tram at the stop “Main St.”",
    "[sic] is tattooed on an arm.",
    "A: a red cell. B: a blue cell.",
    "divers in a cave",
    "Home, 2–1",
    "A form with a blank line: ____",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in LEFT_BY_WRAPPING.items() for text in texts]
)
def test_each_kind_is_found_in_what_wrapping_leaves(name: str, text: str) -> None:
    assert LOOSE_MARKS[name].search(text)
    assert find_loose_mark(text) is not None


def test_each_kind_has_an_example() -> None:
    assert LEFT_BY_WRAPPING.keys() == LOOSE_MARKS.keys()


@pytest.mark.parametrize("text", WRITTEN_BY_PEOPLE)
def test_nothing_is_found_in_what_people_write(text: str) -> None:
    assert find_loose_mark(text) is None
