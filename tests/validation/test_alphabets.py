"""Letters that only one language has tell short texts apart."""

import pytest

from app.validation.language_identifier import is_wrong_language


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("uk", "Серый кот спит на диване."),
        ("uk", "Белый дом стоит у озера."),
        ("ru", "Сірий кіт спить на дивані."),
        ("ar", "سگ قهوه‌ای کنار دریا می‌دود."),
        ("ar", "گربه خاکستری روی مبل"),
        ("fa", "قطة رمادية نائمة على الأريكة الكبيرة."),
        ("zh-TW", "一只猫在窗边睡觉"),
        ("zh-TW", "海边的灯塔"),
        ("zh-Hant", "红色的汽车"),
        ("zh-CN", "窗邊的貓"),
        ("zh-HK", "两个杯子放在桌上"),
    ],
)
def test_a_short_text_with_letters_of_another_language_is_wrong(locale: str, text: str) -> None:
    assert is_wrong_language(text, locale)


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("uk", "Сірий кіт спить на дивані."),
        ("uk", "Кава на столі"),
        ("ru", "Серый кот спит на диване."),
        ("bg", "Кафяво куче тича по плажа."),
        ("sr", "Сиви мачак спава на каучу."),
        ("ar", "قطة رمادية نائمة على الأريكة."),
        ("fa", "سگ قهوه‌ای کنار دریا می‌دود."),
        ("ur", "ایک کتا ساحل پر دوڑ رہا ہے۔"),
        ("zh-TW", "窗邊的貓"),
        ("zh-TW", "群山與秘密花園的床"),
        ("zh-HK", "着火的枱面與温水"),
        ("zh-CN", "窗边的猫"),
        ("zh", "窗邊的貓"),
    ],
)
def test_a_short_text_in_its_own_language_is_right(locale: str, text: str) -> None:
    assert not is_wrong_language(text, locale)
