"""Host names in ASCII, as browsers make them (WHATWG URL, 3.3: UTS 46, not transitional).

IDNA 2008 allows fewer names: none with emoji, which registries sell, and no hyphen at an end.
"""

import unicodedata

import idna

_ACE_PREFIX = "xn--"
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_JOINERS = "\u200c\u200d"


def to_ascii_name(host: str) -> str:
    """The name in lower-case ASCII; other labels in Punycode. Lengths are not checked.

    Raises ValueError (IDNAError is one) for what browsers refuse.
    """
    labels = [_to_unicode(label) for label in idna.uts46_remap(host, std3_rules=False).split(".")]
    is_bidi = any(unicodedata.bidirectional(sign) in _RIGHT_TO_LEFT for sign in "".join(labels))
    for label in labels:
        if is_bidi and label:
            idna.check_bidi(label, check_ltr=True)
        if not label.isascii():
            _check_label(label)
    return ".".join(map(_to_ascii, labels))


def _to_unicode(label: str) -> str:
    """What a label in Punycode stands for; any other label as it is."""
    if not label.startswith(_ACE_PREFIX):
        return label
    decoded = label.removeprefix(_ACE_PREFIX).encode("ascii").decode("punycode")
    is_mapped = idna.uts46_remap(decoded, std3_rules=False) == decoded
    if decoded.isascii() or not is_mapped or _to_ascii(decoded) != label:
        raise ValueError("a label that is not what Punycode makes of a name")
    return decoded


def _to_ascii(label: str) -> str:
    if label.isascii():
        return label
    return _ACE_PREFIX + label.encode("punycode").decode("ascii")


def _check_label(label: str) -> None:
    """The criteria of validity (UTS 46, 4.1) that the mapping leaves open."""
    idna.check_nfc(label)
    idna.check_initial_combiner(label)
    if any(
        sign in _JOINERS and not idna.valid_contextj(label, at) for at, sign in enumerate(label)
    ):
        raise ValueError("a joiner where it joins nothing")
