"""What a model says of its own answer, doubts and reservations, is never part of a caption."""

import pytest

from app.captioning.styles.loader import load_styles
from app.validation.verdict import validate_text
from tests.validation.test_closing_remarks import CAPTIONS

RESERVATIONS = {
    "en": [
        "Note that I cannot identify the people.",
        "Please note that this description is based only on what is visible.",
        "Keep in mind that names may be wrong.",
        "The description may not be fully accurate.",
        "The exact location cannot be determined.",
        "Without further context, more cannot be said.",
        "Some details may be inaccurate.",
        "This is only my interpretation.",
    ],
    "de": [
        "Beachten Sie, dass ich keine Personen identifizieren kann.",
        "Bitte beachte, dass diese Beschreibung nur auf dem Sichtbaren beruht.",
        "Die Beschreibung kann ungenau sein.",
        "Der genaue Ort lässt sich nicht bestimmen.",
        "Ohne weiteren Kontext lässt sich nicht mehr sagen.",
        "Ich hoffe, das hilft!",
    ],
    "fr": [
        "Veuillez noter que je ne peux pas identifier les personnes.",
        "Notez que cette description repose uniquement sur ce qui est visible.",
        "La description peut être imprécise.",
        "Le lieu exact ne peut pas être déterminé.",
        "Sans plus de contexte, il est difficile d'en dire plus.",
        "J'espère que cela vous aide.",
    ],
    "es": [
        "Ten en cuenta que no puedo identificar a las personas.",
        "Tenga en cuenta que esta descripción se basa solo en lo visible.",
        "La descripción puede ser inexacta.",
        "No se puede determinar el lugar exacto.",
        "Sin más contexto, es difícil decir más.",
    ],
    "it": [
        "Tieni presente che non posso identificare le persone.",
        "Si prega di notare che la descrizione si basa solo su ciò che è visibile.",
        "La descrizione potrebbe essere imprecisa.",
        "Non è possibile determinare il luogo esatto.",
        "Senza ulteriore contesto è difficile dire di più.",
    ],
    "pt": [
        "Observe que não posso identificar pessoas.",
        "Por favor, note que esta descrição se baseia apenas no que é visível.",
        "A descrição pode ser imprecisa.",
        "Não é possível determinar o local exato.",
        "Sem mais contexto, é difícil dizer mais.",
    ],
    "nl": [
        "Houd er rekening mee dat ik geen personen kan identificeren.",
        "Deze beschrijving is alleen gebaseerd op wat zichtbaar is.",
        "De beschrijving kan onnauwkeurig zijn.",
        "De exacte locatie kan niet worden bepaald.",
        "Zonder meer context is het moeilijk om meer te zeggen.",
    ],
    "pl": [
        "Pamiętaj, że nie mogę identyfikować osób.",
        "Należy pamiętać, że opis opiera się tylko na tym, co widać.",
        "Opis może być niedokładny.",
        "Nie można określić dokładnego miejsca.",
        "Bez dodatkowego kontekstu trudno powiedzieć więcej.",
    ],
    "cs": [
        "Upozorňuji, že nemohu identifikovat osoby.",
        "Vezměte prosím na vědomí, že popis vychází jen z toho, co je vidět.",
        "Popis může být nepřesný.",
        "Přesné místo nelze určit.",
        "Bez dalšího kontextu je těžké říci více.",
    ],
    "hr": [
        "Imajte na umu da ne mogu prepoznati osobe.",
        "Opis može biti netočan.",
        "Točna lokacija ne može se odrediti.",
        "Bez dodatnog konteksta teško je reći više.",
    ],
    "bs": ["Imajte na umu da ne mogu prepoznati osobe.", "Tačna lokacija se ne može odrediti."],
    "sr": ["Имајте на уму да не могу да препознам особе.", "Опис може бити нетачан."],
    "sl": [
        "Upoštevajte, da ne morem prepoznati oseb.",
        "Opis morda ni natančen.",
        "Natančne lokacije ni mogoče določiti.",
    ],
    "hu": [
        "Kérjük, vegye figyelembe, hogy nem tudok személyeket azonosítani.",
        "A leírás pontatlan lehet.",
        "A pontos hely nem határozható meg.",
    ],
    "sv": [
        "Observera att jag inte kan identifiera personer.",
        "Beskrivningen kan vara felaktig.",
        "Den exakta platsen kan inte fastställas.",
    ],
    "da": [
        "Bemærk, at jeg ikke kan identificere personer.",
        "Beskrivelsen kan være unøjagtig.",
        "Det præcise sted kan ikke bestemmes.",
    ],
    "nb": [
        "Merk at jeg ikke kan identifisere personer.",
        "Beskrivelsen kan være unøyaktig.",
        "Det nøyaktige stedet kan ikke fastslås.",
    ],
    "fi": [
        "Huomaa, että en voi tunnistaa ihmisiä.",
        "Kuvaus voi olla epätarkka.",
        "Tarkkaa paikkaa ei voida määrittää.",
    ],
    "tr": [
        "Kişileri tanımlayamadığımı lütfen unutmayın.",
        "Lütfen bu açıklamanın yalnızca görünene dayandığını unutmayın.",
        "Açıklama tam doğru olmayabilir.",
        "Kesin konum belirlenemiyor.",
    ],
    "uk": [
        "Зверніть увагу, що я не можу ідентифікувати людей.",
        "Майте на увазі, що опис ґрунтується лише на видимому.",
        "Опис може бути неточним.",
        "Точне місце визначити неможливо.",
    ],
    "ru": [
        "Обратите внимание, что я не могу идентифицировать людей.",
        "Имейте в виду, что описание основано только на видимом.",
        "Описание может быть неточным.",
        "Точное место определить невозможно.",
    ],
    "ja": [
        "なお、人物を特定することはできません。",
        "この説明は見えるものだけに基づいています。",
        "説明が不正確な場合があります。",
        "正確な場所は特定できません。",
        "ご参考になれば幸いです。",
    ],
    "ko": [
        "참고로 저는 사람을 식별할 수 없습니다.",
        "이 설명은 보이는 것만을 바탕으로 합니다.",
        "설명이 정확하지 않을 수 있습니다.",
        "정확한 장소는 알 수 없습니다.",
    ],
    "zh": [
        "请注意，我无法识别人物。",
        "此描述仅基于可见内容。",
        "描述可能不够准确。",
        "无法确定具体地点。",
        "没有更多背景信息，难以进一步说明。",
    ],
    "ar": [
        "يرجى ملاحظة أنني لا أستطيع تحديد هوية الأشخاص.",
        "يعتمد هذا الوصف فقط على ما هو مرئي.",
        "قد يكون الوصف غير دقيق.",
        "لا يمكن تحديد المكان بدقة.",
    ],
}
SECOND_SENTENCES = {
    "ko": "다른 개는 옆에 앉아 있다.",
    "ja": "他に二人の子供が座っている。",
    "zh": "还有一只猫在旁边睡觉。",
    "tr": "Başka bir köpek yanında oturuyor.",
    "es": "Una nota cuelga de la pared.",
    "fr": "Une note est collée au mur.",
    "de": "Die Beschreibung auf dem Schild ist rot.",
    "en": "The caption below the painting is in Latin.",
}
"""They begin like remarks, and tell what the picture shows."""


@pytest.mark.parametrize("gap", ["\n\n", " "])
@pytest.mark.parametrize(
    ("locale", "remark"),
    [(locale, remark) for locale, remarks in RESERVATIONS.items() for remark in remarks],
)
def test_a_reservation_is_removed_or_rejected(locale: str, remark: str, gap: str) -> None:
    """It tells nothing of the picture."""
    verdict = validate_text(
        CAPTIONS[locale] + gap + remark, style=load_styles()["concise"], locale=locale
    )
    assert verdict.violations or verdict.caption == CAPTIONS[locale]


@pytest.mark.parametrize("locale", SECOND_SENTENCES)
def test_a_second_sentence_of_the_caption_is_kept(locale: str) -> None:
    """Its first words are those of a remark, but it is none."""
    gap = "" if locale in ("ja", "zh") else " "
    text = CAPTIONS[locale] + gap + SECOND_SENTENCES[locale]
    verdict = validate_text(text, style=load_styles()["concise"], locale=locale)
    assert (verdict.violations, verdict.caption) == ((), text)
