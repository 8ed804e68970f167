"""Cleaning extracts a caption from the wrapping that models put around it."""

import json
import time

import pytest

from app.captioning.styles.loader import load_styles
from app.validation.clean import clean
from app.validation.reasoning_tokens import MAX_DRAFT_CHARS
from app.validation.unicode_normalisation import normalise_text
from app.validation.verdict import validate_text

DOG = "A brown dog runs along a sandy beach."


@pytest.mark.parametrize(
    "draft",
    [
        f"Certainly! Here's a concise alt text for the image:\n\n{DOG}",
        f"Sure, here is a caption: {DOG}",
        f"Based on the detailed description, here's a concise alt text:\n\n{DOG}",
        f"Alt text: {DOG}",
        f'**Alt text:** "{DOG}"',
        f"**Description:**\n{DOG}",
        f"## Caption\n\n{DOG}",
        f"1. **Alt text (37 characters):** {DOG}",
        f"> {DOG}",
        f"- {DOG}",
        f"```\n{DOG}\n```",
        f"```json\n{json.dumps({'alt_text': DOG})}\n```",
        json.dumps({"image": {"caption": DOG, "tags": ["dog"]}}),
        json.dumps([{"alt": DOG}]),
        '{"alt_text": "A brown dog runs along a sandy beach.", "tags": ["do',
        f"<p><b>{DOG}</b></p>",
        f'<img src="a.jpg" alt="{DOG}">',
        f"“{DOG}”",
        f"*{DOG}*",
        "A **brown dog** runs along a [sandy beach](https://example.com).",
        f"<think>The user wants a caption. Here is one: a cat.</think>\n\n{DOG}",
        f"Hmm, a cat? No.</think>{DOG}",
        f"◁think▷hmm◁/think▷{DOG}",
        f"<|channel|>analysis<|message|>Well<|end|><|channel|>final<|message|>{DOG}",
        f"<|channel>thought\n<channel|>Title: Dog\nDescription: {DOG}\nKeywords: dog, beach",
        f"Let me see.\n<|begin_of_box|>{DOG}<|end_of_box|>",
        f"{DOG}<|im_end|>\n<|im_start|>user\nThanks",
        f"assistant: {DOG}</s>",
        f"Title: Dog\n\nDescription:\n- {DOG}\n\nKeywords:\n- dog\n- beach",
        f"Option 1: {DOG}\nOption 2: A dog.",
        f"Here are three options:\n\n1. {DOG}\n2. A wet dog.\n3. A beach with a dog.",
        f"{DOG}\n\nWould you like me to change anything?",
        f"{DOG} Let me know if you need anything else!",
        f"{DOG} I hope this helps. Would you like a shorter version?",
        f"{DOG} #dog #beach",
        f"{DOG} (37 characters)",
        "A brown\u200b dog runs\u202e along a\u00a0sandy\u00ad beach.\x00",
        f"{DOG} Description automatically generated with medium confidence",
        f"[INST] Describe it. [/INST] {DOG}",
        f"User: Describe it.\nAssistant: {DOG}",
        f"{DOG}\n\nUser: And in French?\nAssistant: Un chien.",
        f"Image 1: {DOG}",
        f"Figure 2: {DOG}",
        rf"\boxed{{{DOG}}}",
        rf"$$\boxed{{\text{{{DOG}}}}}$$",
    ],
)
def test_wrapping_is_removed(draft: str) -> None:
    """Preambles, labels, markup, reasoning, other turns and closing remarks."""
    assert clean(draft, "en").text.rstrip(".") == DOG.rstrip(".")


@pytest.mark.parametrize(
    ("locale", "draft", "caption"),
    [
        ("en", "A photo of a dog on a beach.", "A dog on a beach."),
        ("en", "Image of a red barn in the snow.", "A red barn in the snow."),
        ("en", "Photo of a wooden bridge.", "A wooden bridge."),
        ("en", "An aerial photograph of a harbour.", "Aerial view of a harbour."),
        ("en", "The image is a photograph of two cats.", "Two cats."),
        ("en", "In this picture, we can see two cats.", "Two cats."),
        ("de", "Das Bild zeigt eine Frau im Regen.", "Eine Frau im Regen."),
        ("de", "Hier ist ein Alternativtext:\n\nEine Frau im Regen.", "Eine Frau im Regen."),
        ("fr", "Photo du château sous la neige.", "Le château sous la neige."),
        ("fr", "L'image montre un chat noir.", "Un chat noir."),
        ("es", "Imagen de dos bicicletas.", "Dos bicicletas."),
        ("it", "Un'immagine di un gatto nero.", "Un gatto nero."),
        ("pt", "Foto da praia ao amanhecer.", "A praia ao amanhecer."),
        ("nl", "Op deze foto zien we een hond.", "Een hond."),
        ("pl", "Na zdjęciu znajduje się czarny kot.", "Czarny kot."),
        ("cs", "Na obrázku je černý pes.", "Černý pes."),
        ("hr", "Na slici je crni pas.", "Crni pas."),
        ("sr", "На слици је црни пас.", "Црни пас."),
        ("sl", "Na sliki je črn pes.", "Črn pes."),
        ("hu", "A képen egy fekete kutya fut.", "Egy fekete kutya fut."),
        ("sv", "Bilden visar en svart hund.", "En svart hund."),
        ("da", "Billedet viser en sort hund.", "En sort hund."),
        ("nb", "Bildet viser en svart hund.", "En svart hund."),
        ("fi", "Kuvassa on musta koira.", "Musta koira."),
        ("tr", "Bu görselde siyah bir köpek var.", "Siyah bir köpek var."),
        ("ru", "На фотографии изображена чёрная собака.", "Чёрная собака."),
        ("uk", "На зображенні зображена чорна кішка.", "Чорна кішка."),
        ("ja", "この画像には、黒い犬が写っています。", "黒い犬が写っています。"),
        ("ko", "이 이미지에는 검은 개가 있습니다.", "검은 개가 있습니다."),
        ("zh", "这张图片展示了一只黑狗。", "一只黑狗。"),
        ("ar", "صورة لكلب أسود", "كلب أسود"),
    ],
)
def test_a_redundant_opener_is_removed_where_the_rest_stands_alone(
    locale: str, draft: str, caption: str
) -> None:
    """By the grammar of each language."""
    assert clean(draft, locale).text == caption


@pytest.mark.parametrize(
    ("locale", "draft"),
    [
        ("de", "Das Bild zeigt einen Hund am Strand."),
        ("pl", "Zdjęcie przedstawia czarnego kota."),
        ("hr", "Slika prikazuje crnog psa."),
        ("en", "A child holding a photo of her mother."),
        ("en", "Sure-footed goats climb a rock."),
        ("en", '"Welcome" over a door marked "Exit"'),
    ],
)
def test_an_opener_is_kept_where_the_rest_would_not_stand_alone(locale: str, draft: str) -> None:
    """An accusative does not stand alone; a photo in the picture is part of it."""
    assert clean(draft, locale).text == draft


def test_the_section_that_suits_the_style_is_taken() -> None:
    """The caption for short styles, the description for long ones."""
    draft = "**Caption:** A dog runs.\n\n**Description:**\nA dog runs on a beach. It is wet."
    assert clean(draft, "en").text == "A dog runs."
    assert clean(draft, "en", prefers_description=True).text == "A dog runs on a beach. It is wet."


def test_unclosed_reasoning_leaves_no_text() -> None:
    """The model never answered."""
    assert clean("<think>The image shows a dog, so I will", "en").text == ""


@pytest.mark.parametrize(
    "draft",
    [
        "The user wants a caption.\n\n**Description:** A dog.",
        "Here are my reasoning steps:\nWe need a caption.",
        "Okay, let me think. The title must be short.",
    ],
)
def test_unmarked_reasoning_is_reported(draft: str) -> None:
    """No part of it is used as the caption."""
    assert clean(draft, "en").defect == "reasoning"


@pytest.mark.parametrize("reference", ["&#" + "9" * 5_000 + ";", "&#x" + "f" * 5_000, "&#0;"])
def test_a_character_reference_without_a_character_is_no_error(reference: str) -> None:
    assert clean(f"{DOG} {reference}", "en").text == f"{DOG} \ufffd"


def test_a_letter_keeps_thirty_combining_marks() -> None:
    """Sorting them takes the square of their number."""
    piled = normalise_text("e" + "\u0315\u0300" * 2_500)
    assert len(piled) <= 31
    assert normalise_text("e\u0301" * 5_000) == "é" * 5_000


def test_characters_are_normalised() -> None:
    """NFC, no control characters, joiners only in scripts that need them."""
    assert normalise_text("Cafe\u0301 a\u200db\x07") == "Café ab"
    assert normalise_text("می\u200cخواهم") == "می\u200cخواهم"


@pytest.mark.measures
@pytest.mark.parametrize(
    "piece",
    ["<", ".", " .", '"', "**", "* ", "[", "(", "a: ", "<think>", "</think>", '{"a":', "- ", "a",
     "\n", "the image shows ", "a photo of ", "Caption: ", "sure, ", "okay so ", "'a ", "1. ", "图",
     "_a", "Fig. 1: ", "based on ", "captured at dusk, this image ", " in this image", "“a. ",
     "in this a b c image, ", "auf dem bild ist ein zu ", "1-2 a b c ", "a visual ",
     "a.", "！a", "“", "„", "»", "‘a ", "“a”", "<title>", "<style><script>", "<img alt=", "&#9",
     "a-", "a@", "/", "img_", "a\n", "- a\n", "User: a\n", "Let me know. ", " #a", "(1 ", "</s>",
     "<|x", "\u0315\u0300", "a\u0315\u0300", "漢字かな", "ж a ", "as an ai "],
)  # fmt: skip
def test_hostile_drafts_take_linear_time(piece: str) -> None:
    """A draft of twice the length takes less than six times as long; a megabyte takes seconds."""
    style = load_styles()["detailed"]
    validate_text(
        "A warm up sentence that is long enough to load everything.", style=style, locale="en"
    )

    def seconds(chars: int) -> float:
        draft = piece * (chars // len(piece))
        started = time.thread_time()  # not wall-clock time: other processes run at the same time
        validate_text(draft, style=style, locale="en")
        return time.thread_time() - started

    # Both are shorter than what a draft is cut to: in a text that is cut, other things are found.
    size = MAX_DRAFT_CHARS * 7 // 8
    half, whole = (min(seconds(chars) for _ in range(2)) for chars in (size // 2, size))
    assert whole < 6 * max(half, 0.005)
    # 190 times the length of `whole`; a quadratic search would take 36,000 times as long.
    assert seconds(1_000_000) < 150 * max(whole, 0.01)


@pytest.mark.parametrize(
    ("draft", "caption"),
    [
        ("A photograph that captures a dog on a beach.", "A dog on a beach."),
        ("An overhead photograph showing a fire pit.", "Overhead view of a fire pit."),
        ("This scene captures a dog on a beach.", "A dog on a beach."),
        ("We are drawn into a street at night.", "A street at night."),
        ("The building is a brewery and distillery .", "The building is a brewery and distillery."),
        (f"<style>p {{ color: red }}</style><p>{DOG}</p><script>x()</script>", DOG),
    ],
)
def test_wrapping_seen_in_real_drafts_is_removed(draft: str, caption: str) -> None:
    """Other openers, a space before the full stop, invisible elements of a page."""
    assert clean(draft, "en").text == caption


@pytest.mark.parametrize(
    ("locale", "draft", "caption"),
    [
        ("ja", "もちろんです！代替テキスト：茶色い犬が砂浜を走る。", "茶色い犬が砂浜を走る。"),
        ("zh", "当然！替代文本：一只棕色的狗在沙滩上。", "一只棕色的狗在沙滩上。"),
        ("zh", "好的，这是替代文本：一只棕色的狗在沙滩上。", "一只棕色的狗在沙滩上。"),
        ("ja", "茶色い犬が砂浜を走る。空は青い。", "茶色い犬が砂浜を走る。空は青い。"),
        ("ko", "물론입니다! 대체 텍스트: 갈색 개가 해변을 달린다.", "갈색 개가 해변을 달린다."),
    ],
)
def test_scripts_without_spaces_are_cleaned_without_adding_spaces(
    locale: str, draft: str, caption: str
) -> None:
    """No space follows a full-width mark."""
    assert clean(draft, locale).text == caption


@pytest.mark.parametrize(
    ("draft", "caption"),
    [
        ("The animal in this image is a toucan.", "The animal is a toucan."),
        ("There are three oranges in the image.", "There are three oranges."),
        ("Three spoons are visible in the image.", "Three spoons are visible."),
        ("In this detailed photograph, two cats sleep.", "Two cats sleep."),
        ("Captured at dusk, this image showcases a bridge.", "Captured at dusk, a bridge."),
        ("Based on her scrubs, the woman is a nurse.", "The woman is a nurse."),
        ("The image has three parts that show a study.", "Three parts that show a study."),
        ("An exploded image of a stylus.", "Exploded view of a stylus."),
        ("A group photo of five runners.", "Five runners."),
        ("Figure 2 - Screenshot of a menu.", "Figure 2 - A menu."),
        (f"{DOG} Here are its key features:\n\n1. **Fur**: brown\n2. **Legs**: four", DOG),
        (f"{DOG} Key features include:\n\n- **Fur:** brown\n- **Legs:** four", DOG),
        (f"Sure! Here is one: {DOG}", DOG),
        ("Et billede, der viser en hund. Automatisk genereret beskrivelse", "En hund"),
    ],
)
def test_wrapping_seen_in_drafts_of_other_models_is_removed(draft: str, caption: str) -> None:
    """References to the image inside a sentence, lead-ins, a list after a description."""
    locale = "da" if draft.startswith("Et ") else "en"
    assert clean(draft, locale).text == caption


@pytest.mark.parametrize(
    ("locale", "draft", "caption"),
    [
        ("es", "Ilustración de un corazón.", "Ilustración de un corazón."),
        (
            "es",
            "Una captura de pantalla sobre el caché.",
            "Una captura de pantalla sobre el caché.",
        ),
        ("de", "Auf dem Bild ist ein Hund zu sehen, der rennt.", "Ein Hund, der rennt."),
        ("en", "Pictured is a dog on a beach.", "A dog on a beach."),
        ("en", "The following image shows a dog.", "A dog."),
        ("en", "Photograph: a dog on a beach.", "A dog on a beach."),
        ("cs", "Fotografie hnědého psa.", "Fotografie hnědého psa."),
        ("ja", "設定画面のスクリーンショット。右に地図がある。", "設定画面。右に地図がある。"),
    ],
)
def test_words_that_are_not_redundant_are_kept_in_other_languages(
    locale: str, draft: str, caption: str
) -> None:
    """The word "illustration" names the kind of picture; a sentence keeps its full stop."""
    assert clean(draft, locale).text == caption


@pytest.mark.parametrize(
    "text",
    [
        "A flow chart of three stages: making an idea, a design and a test.",
        'A post on a social network: the text reads "Stitching in the break".',
        "Great Wall of China: a tower in the mist.",
        "My garden in May: roses and a bench.",
        "The same actor as in the previous picture with captions: which, college, they.",
        "The top image shows a key, the bottom image shows it pressed.",
        "The picture frame on the wall is empty.",
        "The visual appearance of the three targets.",
        "Accuracy in degrees (clock: -1.8, compass: -0.6, noise: 2.1).",
        "A woman stands in the picture gallery.",
    ],
)
def test_a_text_with_a_colon_is_kept_whole(text: str) -> None:
    """Words before a colon are removed only where they announce a caption."""
    assert clean(text, "en").text == text


@pytest.mark.parametrize(
    "caption",
    [
        "A T-shirt with the text 'Alt text: none' on a hanger.",
        "A slide with the line “Caption: a dog” above a photograph.",
    ],
)
def test_a_label_in_quoted_text_is_kept(caption: str) -> None:
    assert clean(caption, "en").text == caption
