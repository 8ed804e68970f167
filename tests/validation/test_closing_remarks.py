"""Closing remarks that models write after a caption are never part of it, in any language."""

import pytest

from app.captioning.styles.loader import load_styles
from app.validation.verdict import validate_text

# ruff: noqa: E501 - one sentence per line, as models wrote it
CAPTIONS = {
    "en": "A brown leather satchel with a brass buckle stands on a wooden table.",
    "de": "Eine braune Ledertasche mit Messingschnalle steht auf einem Holztisch neben einem Fenster.",
    "fr": "Un sac en cuir marron avec une boucle en laiton est posé sur une table en bois près d'une fenêtre.",
    "es": "Un bolso de cuero marrón con hebilla de latón sobre una mesa de madera junto a una ventana.",
    "it": "Una borsa di pelle marrone con fibbia in ottone su un tavolo di legno accanto a una finestra.",
    "pt": "Uma bolsa de couro marrom com fivela de latão sobre uma mesa de madeira ao lado de uma janela.",
    "nl": "Een bruine leren tas met messing gesp staat op een houten tafel naast een raam.",
    "pl": "Brązowa skórzana torba z mosiężną klamrą stoi na drewnianym stole obok okna.",
    "cs": "Hnědá kožená taška s mosaznou přezkou stojí na dřevěném stole vedle okna.",
    "hr": "Smeđa kožna torba s mjedenom kopčom stoji na drvenom stolu pokraj prozora.",
    "sl": "Rjava usnjena torba z medeninasto zaponko stoji na leseni mizi ob oknu.",
    "hu": "Egy barna bőrtáska sárgaréz csattal egy fa asztalon áll az ablak mellett.",
    "sv": "En brun läderväska med mässingsspänne står på ett träbord bredvid ett fönster.",
    "da": "En brun lædertaske med messingspænde står på et træbord ved siden af et vindue.",
    "nb": "En brun skinnveske med messingspenne står på et trebord ved siden av et vindu.",
    "fi": "Ruskea nahkalaukku messinkisoljella seisoo puupöydällä ikkunan vieressä.",
    "tr": "Pirinç tokalı kahverengi deri çanta, pencerenin yanındaki ahşap masanın üzerinde duruyor.",
    "uk": "Коричнева шкіряна сумка з латунною пряжкою стоїть на дерев'яному столі біля вікна.",
    "ru": "Коричневая кожаная сумка с латунной пряжкой стоит на деревянном столе у окна.",
    "ja": "窓際の木製テーブルの上に、真鍮のバックルが付いた茶色い革のかばんが置かれている。",
    "ko": "창가 나무 테이블 위에 황동 버클이 달린 갈색 가죽 가방이 놓여 있다.",
    "zh": "一只带黄铜扣的棕色皮包放在窗边的木桌上，旁边有一盆绿色植物。",
    "ar": "حقيبة جلدية بنية بمشبك نحاسي موضوعة على طاولة خشبية بجانب النافذة.",
    "sr": "Браон кожна торба са месинганом копчом стоји на дрвеном столу поред прозора.",
    "bs": "Smeđa kožna torba s mesinganom kopčom stoji na drvenom stolu pored prozora.",
}
REMARKS = {
    "en": [
        "Let me know if you want changes!",
        "Want me to make it shorter?",
        "Should I also write an SEO version?",
        "I can also provide a longer description.",
        "Happy to refine it further.",
        "Need anything else?",
        "Just let me know!",
        "Tell me if you'd like another tone.",
    ],
    "de": [
        "Lass mich wissen, wenn du Änderungen möchtest!",
        "Sag mir Bescheid, wenn du mehr brauchst.",
        "Gib mir gerne Bescheid, falls etwas fehlt.",
        "Wenn du möchtest, kann ich den Text kürzen.",
        "Brauchst du noch etwas?",
        "Soll ich den Text kürzen?",
        "Melde dich gern bei weiteren Fragen!",
        "Teilen Sie mir mit, ob Sie Änderungen wünschen.",
        "Gerne passe ich den Text an.",
        "Kann ich sonst noch etwas für Sie tun?",
    ],
    "fr": [
        "N'hésite pas à me le dire !",
        "Souhaites-tu une version plus courte ?",
        "Veux-tu que je le raccourcisse ?",
        "Faites-moi savoir si vous voulez des changements.",
        "Dis-moi si tu veux autre chose.",
        "Si tu veux, je peux le raccourcir.",
        "Puis-je vous aider avec autre chose ?",
        "J’espère que cela vous aide !",
        "Voulez-vous que je l'adapte ?",
    ],
    "es": [
        "Avísame si quieres cambios.",
        "Hazme saber si necesitas algo más.",
        "¿Puedo ayudarte en algo más?",
        "¡Espero que te sirva!",
        "Puedo acortarlo si lo prefieres.",
        "Dime si necesitas otra versión.",
        "Si lo deseas, puedo acortarlo.",
        "¿Hay algo más que necesites?",
    ],
    "it": [
        "Fammi sapere se desideri modifiche!",
        "Posso aiutarti con altro?",
        "Dimmi se serve altro.",
        "Se hai bisogno di altro, chiedi pure.",
        "Hai bisogno di altro?",
        "Spero che ti sia utile!",
        "Resto a disposizione per modifiche.",
    ],
    "pt": [
        "Avise-me se quiser alterações.",
        "Deixe-me saber se precisar de mais alguma coisa.",
        "Posso ajudar com mais alguma coisa?",
        "Me diga se quiser ajustes.",
        "Se quiser, posso encurtar.",
        "Precisa de mais alguma coisa?",
        "Quer que eu encurte?",
    ],
    "nl": [
        "Laat het me weten als je wijzigingen wilt!",
        "Kan ik nog ergens mee helpen?",
        "Zal ik het korter maken?",
        "Wil je dat ik het korter maak?",
        "Mocht je vragen hebben, hoor ik het graag.",
        "Heb je nog iets nodig?",
    ],
    "pl": [
        "Daj mi znać, jeśli chcesz zmian!",
        "Czy mogę pomóc w czymś jeszcze?",
        "Jeśli potrzebujesz zmian, napisz.",
        "Proszę dać znać, jeśli coś zmienić.",
        "Chętnie pomogę z innymi opisami.",
        "W razie potrzeby mogę skrócić opis.",
    ],
    "cs": [
        "Dej mi vědět, pokud chceš změny.",
        "Mohu vám ještě nějak pomoci?",
        "Rád text upravím.",
        "Pokud budete chtít úpravy, napište.",
        "Potřebujete ještě něco?",
    ],
    "hr": [
        "Javi mi ako želiš promjene!",
        "Mogu li još nešto pomoći?",
        "Slobodno mi se obratite za izmjene.",
        "Ako trebaš kraću verziju, reci.",
        "Recite mi ako želite izmjene.",
        "Trebate li još nešto?",
    ],
    "sl": [
        "Povej mi, če želiš spremembe.",
        "Ali lahko še kako pomagam?",
        "Če potrebuješ krajšo različico, sporoči.",
        "Sporoči mi, če želiš spremembe.",
    ],
    "hu": [
        "Szólj, ha szeretnél változtatást!",
        "Segíthetek még valamiben?",
        "Ha szeretnéd, lerövidítem.",
        "Kérem, szóljon, ha módosítást szeretne.",
        "Szívesen módosítom.",
    ],
    "sv": [
        "Säg till om du vill ha ändringar!",
        "Kan jag hjälpa till med något mer?",
        "Vill du att jag kortar texten?",
        "Hör av dig om du vill ändra något.",
        "Jag kan även göra en längre version.",
        "Behöver du något mer?",
    ],
    "da": [
        "Giv mig besked, hvis du ønsker ændringer!",
        "Kan jeg hjælpe med andet?",
        "Skal jeg gøre den kortere?",
        "Jeg kan også lave en længere version.",
        "Sig endelig til.",
    ],
    "nb": [
        "Gi meg beskjed hvis du vil ha endringer!",
        "Kan jeg hjelpe med noe mer?",
        "Skal jeg gjøre den kortere?",
        "Jeg kan også lage en lengre versjon.",
        "Bare si ifra.",
    ],
    "fi": [
        "Kerro, jos haluat muutoksia!",
        "Voinko auttaa jossain muussa?",
        "Ilmoita, jos tarvitset muutoksia.",
        "Voin myös lyhentää tekstiä.",
        "Tarvitsetko jotain muuta?",
    ],
    "tr": [
        "Değişiklik isterseniz bana bildirin!",
        "Başka bir konuda yardımcı olabilir miyim?",
        "İstersen kısaltabilirim.",
        "Lütfen bana haber verin.",
        "Daha kısa bir sürüm ister misin?",
    ],
    "uk": [
        "Дайте мені знати, якщо потрібні зміни!",
        "Чи можу я ще чимось допомогти?",
        "Дай знати, якщо хочеш змін.",
        "Повідомте мене про зміни.",
        "Можу також скоротити текст.",
    ],
    "ru": [
        "Дайте мне знать, если нужны изменения!",
        "Могу ли я ещё чем-то помочь?",
        "Дай знать, если нужно короче.",
        "Сообщи, если нужно изменить.",
        "Могу также сократить текст.",
        "Нужно что-то ещё?",
    ],
    "ja": [
        "ご要望があればお知らせください。",
        "修正が必要な場合はお申し付けください。",
        "お気軽にお知らせください。",
        "いかがでしょうか。",
        "他にご質問はありますか？",
        "もっと短くすることもできます。",
    ],
    "ko": [
        "수정이 필요하면 말씀해 주세요.",
        "더 필요한 것이 있으면 알려주세요.",
        "도움이 되었기를 바랍니다.",
        "언제든지 말씀해 주세요.",
        "더 짧게 만들어 드릴까요?",
    ],
    "zh": [
        "如果需要修改，请告诉我。",
        "需要我再缩短一些吗？",
        "如有其他需求，请随时告知。",
        "希望对你有帮助！",
        "您还需要其他帮助吗？",
        "是否需要调整？",
    ],
    "ar": [
        "أخبرني إذا كنت تريد تعديلات!",
        "هل يمكنني مساعدتك في شيء آخر؟",
        "لا تتردد في طلب التعديلات.",
        "آمل أن يكون هذا مفيدًا.",
        "يسعدني تعديل النص.",
    ],
    "sr": [
        "Јави ми ако желиш измене!",
        "Могу ли још нешто да помогнем?",
        "Слободно ми се обратите за измене.",
    ],
    "bs": [
        "Javi mi ako želiš izmjene!",
        "Mogu li još nešto pomoći?",
        "Slobodno mi se obratite za izmjene.",
    ],
}


@pytest.mark.parametrize("gap", ["\n\n", " "])
@pytest.mark.parametrize(
    ("locale", "remark"),
    [(locale, remark) for locale, remarks in REMARKS.items() for remark in remarks],
)
def test_a_remark_to_the_user_is_removed_or_rejected(locale: str, remark: str, gap: str) -> None:
    """A rejected draft is requested again; a remark to the user is never stored."""
    verdict = validate_text(
        CAPTIONS[locale] + gap + remark, style=load_styles()["concise"], locale=locale
    )
    assert verdict.violations or verdict.caption == CAPTIONS[locale]


@pytest.mark.parametrize("locale", CAPTIONS)
def test_the_captions_themselves_pass(locale: str) -> None:
    verdict = validate_text(CAPTIONS[locale], style=load_styles()["concise"], locale=locale)
    assert (verdict.violations, verdict.caption) == ((), CAPTIONS[locale])
