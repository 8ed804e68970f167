"""A picture that is a thing in the scene keeps its name: without it the caption would be false."""

import time

import pytest

from app.captioning.styles.loader import load_styles
from app.validation.verdict import validate_text

STYLE = load_styles()["concise"]


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "A picture of the king hangs in the post office."),
        ("en", "A photo of a soldier leans against a candle."),
        ("en", "A screenshot of a game is printed on a mug."),
        ("en", "An old photo of two boys stands on the piano."),
        ("en", "A black-and-white photo of a family hangs over a sofa."),
        ("en", "The photo on the ID card shows a young woman."),
        ("en", "The picture on the wall shows a ship in a storm."),
        ("es", "Una foto de familia está sobre el piano."),
        ("es", "La imagen de la Virgen preside el altar."),
        ("it", "Una foto di famiglia è sul pianoforte."),
        ("fr", "Une photo de famille est posée sur le piano."),
        ("pt", "A foto do rei está pendurada na parede."),
        ("de", "Das Foto einer Frau steht auf dem Klavier."),
        ("nl", "Een foto van de koning hangt in het postkantoor."),
        ("sv", "Ett foto av kungen hänger på väggen."),
        ("da", "Et billede af kongen hænger på væggen."),
        ("nb", "Et bilde av kongen henger på veggen."),
        ("hr", "Slika kralja visi na zidu."),
        ("pl", "Zdjęcie króla wisi na ścianie."),
        ("zh", "女孩拿着祖母的照片。"),
        ("zh", "墙上挂着一张海的照片。"),
        ("ja", "机の上に家族の写真。"),
        ("ja", "老人が見ているのは妻の写真。"),
        ("ko", "책상 위에 가족의 사진."),
    ],
)
def test_a_picture_in_the_scene_is_kept(locale: str, text: str) -> None:
    """The text is returned as it is, and is no redundant opener."""
    verdict = validate_text(text, style=STYLE, locale=locale)
    assert verdict.caption == text
    assert not verdict.violations


@pytest.mark.parametrize(
    ("locale", "text", "caption"),
    [
        ("en", "A photo of a dog that leans against a wall.", "A dog that leans against a wall."),
        ("en", "A photo of a dog as it lies on a rug.", "A dog as it lies on a rug."),
        ("en", "This is a photograph in which a woman runs.", "A woman runs."),
        ("en", "We see in this photo a woman on a bicycle.", "A woman on a bicycle."),
        ("es", "La imagen muestra a un hombre con un perro.", "Un hombre con un perro."),
        ("es", "En la imagen se ve a un hombre con un perro.", "Un hombre con un perro."),
        ("es", "La imagen muestra al rey en su trono.", "El rey en su trono."),
        ("fr", "On voit sur la photo un homme avec un chien.", "Un homme avec un chien."),
        ("zh", "一张关于两只狗的图片。", "两只狗。"),
        ("zh", "这是一张狗在海滩上奔跑的照片。", "狗在海滩上奔跑。"),
        ("ja", "黒い犬と白い猫の写真です。", "黒い犬と白い猫。"),
        ("ko", "검은 개와 흰 고양이의 사진입니다.", "검은 개와 흰 고양이."),
    ],
)
def test_an_opener_is_removed_with_its_grammar(locale: str, text: str, caption: str) -> None:
    """A verb that belongs to something else does not make the picture a thing in the scene."""
    assert validate_text(text, style=STYLE, locale=locale).caption == caption


def test_the_side_of_a_picture_is_no_scene() -> None:
    """The picture on the left is one of several, not a thing in the scene."""
    verdict = validate_text("The image on the left shows a ship.", style=STYLE, locale="en")
    assert "redundant_opener" in [violation.code for violation in verdict.violations]


@pytest.mark.parametrize("unit", ["photo of ", "a ", "the photo on ", "photo x x "])
def test_a_long_draft_takes_linear_time(unit: str) -> None:
    """One megabyte of an opener's words is judged in bounded time."""
    started = time.process_time()
    validate_text(unit * (1_000_000 // len(unit)), style=STYLE, locale="en")
    assert time.process_time() - started < 2
