"""Tells whether text that was read as Latin may be Cyrillic or Greek.

The reader gives РЕСТОРАН as PECTOPAH, with full confidence. Capitals that another script has as
well are believed only in words that are common on signs and packages.
"""

import re

_CYRILLIC, _GREEK = frozenset("ABCEHKMOPTXY"), frozenset("ABEHIKMNOPTXYZ")
_WORD = re.compile(r"[^\W\d_]{3,}")
_OTHER_SCRIPT = re.compile(r"[\u0370-\u052f\u1f00-\u1fff]")
_COMMON_WORDS = """
ACE AMEN ANNA ANTI APP ATTENTION BABY BACK BAKE BANK BATH BEACH BEAT BEEN BIKE BIO BOAT BOMB
BONE BOOK BOOM BOOT BOTH BOX CAB CACAO CAKE CAMP CAP CATCH CHAT CHEAP CHECK COACH COAT COKE
COMBO COME COMPACT COOK COPY EACH EAT ECO EXIT HAPPY HAT HEAT HIT HOME HONEY HOPE HOT INOX KAKAO
KEBAB KIM KIMONO KIT KIWI MAI MAIN MAKE MAMA MAP MATCH MATE MATH MAX MAXI MAYO MEAT MEN MEXICO
MINI MINT MIX MOCHA MOKKA MOMENT MONEY MOON MOP MOTION NEIN NEXT NINE NIKE NON NOON NOPE NOT
NOTE OAK OATH OCTOBER ONE OPEN OPTION PACK PAIN PAINT PAN PAPA PATCH PATH PAX PAY PEACE PEACH
PEAK PEN PEPPA PHONE PHOTO PIANO PIN PINE PINK PINT PIZZA POINT PONY POP POT POTATO TABAC TACO
TAKE TAP TAPE TAX TAXI TEA TEACH TEAM TEEN TEMPO TEN TEXT THE THEN TIME TIN TIP TOKEN TOKYO
TOMATO TON TOP TOY ZEN ZERO ZIP ZONE ZOO
"""
_KNOWN = frozenset(_COMMON_WORDS.split())


def may_be_other_script(text: str) -> bool:
    """Whether one of its words may be Cyrillic or Greek."""
    return _OTHER_SCRIPT.search(text) is not None or any(
        word not in _KNOWN and (_CYRILLIC.issuperset(word) or _GREEK.issuperset(word))
        for word in _WORD.findall(text)
    )
