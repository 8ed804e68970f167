"""How many lies of captions are found, and how many true captions are doubted:
`python -m benchmarks.verification`.

Draws signs with known text, digits and colours, and captions them in five languages: once truly,
and once for each claim with that claim swapped. `--subjects FILE` adds real pictures: lines of JSON
with `file` (relative to FILE) and `objects`, the concepts that are in the picture. For each the
true captions name one of them, the lies another concept. Needs the extra `embedded`.
"""

import argparse
import asyncio
import io
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from app.runtime.deadline import Deadline
from app.types import CheckKind
from app.verification.claim_words import load_claim_words
from app.verification.evidence import EvidenceSource
from app.verification.verifier import Verifier
from app.vision.colour_evidence import measure_job
from app.vision.concepts import load_concepts
from app.vision.model_evidence import look_job
from app.workers.fair_queue import FairnessKey
from testing.embedded_evaluation import normalise
from testing.labelled_images import SIGNS, find_faces, load_font

SIZE_PX = (960, 720)
COLOURS = {
    "black": "#151515", "white": "#f6f6f4", "grey": "#808080", "red": "#d82828",
    "orange": "#f08018", "yellow": "#f8dc30", "green": "#2b9a40", "blue": "#1f5fd0",
    "purple": "#6c2a94", "pink": "#f48fb8", "brown": "#6e4526",
}  # fmt: skip
"""None is an anchor of `app.vision.colour_names`."""
WORDS = {
    "en": "black white grey red orange yellow green blue purple pink brown",
    "de": "schwarzes weißes graues rotes orangefarbenes gelbes grünes blaues violettes rosafarbenes"
    " braunes",
    "fr": "noir blanc gris rouge orange jaune vert bleu violet rose brun",
    "es": "negro blanco gris rojo naranja amarillo verde azul morado rosa marrón",
    "hr": "crni bijeli sivi crveni narančasti žuti zeleni plavi ljubičasti ružičasti smeđi",
}
"""The colours in the form that the captions need."""
CAPTIONS = {
    "en": 'A {colour} sign that reads "{text}" with the number {digits}.',
    "de": "Ein {colour} Schild mit der Aufschrift „{text}“ und der Nummer {digits}.",
    "fr": "Un panneau {colour} avec l'inscription « {text} » et le numéro {digits}.",
    "es": "Un cartel {colour} con el texto «{text}» y el número {digits}.",
    "hr": "Jedan {colour} natpis s tekstom „{text}” i brojem {digits}.",
}
SUBJECTS = {"en": "A {} in the middle.", "de": "{} in der Mitte.", "fr": "{} au milieu.",
            "es": "{} en el centro.", "hr": "{} u sredini."}  # fmt: skip
LIES_OF_A_PICTURE = 5
CHECK_KINDS: dict[str, CheckKind] = {
    "text": "text", "digits": "text", "any colour": "colour", "other colour": "colour",
    "subject": "subject",
}  # fmt: skip
"""any colour: one of the ten others, which may be that of the ground or of the letters, or a colour
that people confuse with one of them. other colour: none of these."""
CONFUSED = (
    "black grey", "white grey", "white yellow", "red orange", "red pink", "red brown",
    "pink purple", "orange yellow", "orange brown", "blue purple",
)  # fmt: skip
BRIGHT_INK_MAX = 330
"""Sum of the three channels, below which letters are white."""


@dataclass
class Counts:
    """Of one kind and language."""

    lies: int = 0
    found: int = 0
    true: int = 0
    doubted: int = 0


@dataclass
class Results:
    """Counts, and the true captions that were doubted."""

    counts: dict[tuple[str, str], Counts] = field(default_factory=dict)
    false_alarms: list[str] = field(default_factory=list)

    def of(self, kind: str, locale: str) -> Counts:
        """The counts of one kind and language."""
        return self.counts.setdefault((kind, locale), Counts())


class Eyes:
    """The jobs of the child processes in this process."""

    async def run(
        self,
        _handler: str,
        data: bytes,
        args: Mapping[str, Any],
        *,
        timeout_s: float,
        deadline: Deadline,
        fairness_key: FairnessKey = (),
    ) -> tuple[dict[str, Any], bytes]:
        """The colours."""
        del timeout_s, deadline, fairness_key
        return measure_job(io.BytesIO(data), dict(args), lambda *_: None)

    async def look(
        self, jpeg: bytes, part: str, deadline: Deadline, caller: str = ""
    ) -> dict[str, Any] | None:
        """The lines, or the subjects."""
        del deadline, caller
        return look_job(io.BytesIO(jpeg), {"part": part}, lambda *_: None)[0]


@dataclass(frozen=True, slots=True)
class Sign:
    """A drawn picture, and what is true of it."""

    jpeg: bytes
    text: str
    digits: str
    colour: str
    others: tuple[str, ...]
    """Colours that nothing in it has, and that nobody takes for one that it has."""


def draw_signs(count: int, chance: random.Random) -> Iterator[Sign]:
    """Signs of one colour on a ground of another, with text and a number."""
    faces = find_faces()
    for number in range(count):
        language = chance.choice(sorted(SIGNS))
        colour, ground = chance.sample(sorted(COLOURS), 2)
        text, digits = chance.choice(SIGNS[language]), str(chance.randint(12, 989))
        image = Image.new("RGB", SIZE_PX, COLOURS[ground])
        draw = ImageDraw.Draw(image)
        box = (110, 90, 850, 630)
        shape = (draw.rectangle, draw.ellipse)[number % 2]
        shape(box, fill=COLOURS[colour])
        is_bright = sum(bytes.fromhex(COLOURS[colour][1:])) > BRIGHT_INK_MAX
        ink, face = "#101010" if is_bright else "#fafafa", chance.choice(faces)
        draw.text((480, 310), text, ink, load_font(face, 60), anchor="mm")
        draw.text((480, 460), digits, ink, load_font(face, 70), anchor="mm")
        present = {colour, ground, "black" if is_bright else "white"}
        near = present.union(*(pair.split() for pair in CONFUSED if present & set(pair.split())))
        others = tuple(sorted(COLOURS.keys() - near))
        yield Sign(normalise(image), text, digits, colour, others)


def write_captions(sign: Sign, chance: random.Random) -> Iterator[tuple[str, str, str]]:
    """Language, the kind of the lie (empty: none), and the caption."""
    others = [text for texts in SIGNS.values() for text in texts if text != sign.text]
    place = chance.randrange(len(sign.digits))
    digit = chance.choice([d for d in "123456789" if d != sign.digits[place]])
    lies = {
        "": {},
        "text": {"text": chance.choice(others)},
        "digits": {"digits": sign.digits[:place] + digit + sign.digits[place + 1 :]},
        "any colour": {"colour": chance.choice([c for c in COLOURS if c != sign.colour])},
        "other colour": {"colour": chance.choice(sign.others)},
    }
    for locale, template in CAPTIONS.items():
        words = dict(zip(COLOURS, WORDS[locale].split(), strict=True))
        for kind, lie in lies.items():
            said = {"text": sign.text, "digits": sign.digits, "colour": sign.colour} | lie
            said["colour"] = words[said["colour"]]
            yield locale, kind, template.format(**said)


def write_subjects(
    objects: frozenset[str], chance: random.Random
) -> Iterator[tuple[str, str, str]]:
    """The same for a picture with these concepts."""
    table = load_concepts()
    near = objects.union(*(table.generals_of(name) for name in objects))
    for locale, template in SUBJECTS.items():
        words = load_claim_words(locale)
        assert words is not None
        forms: dict[str, str] = {}
        for phrase, concepts in words.nouns.items():
            forms.setdefault(concepts[0], " ".join(phrase))
        for name in sorted(objects & forms.keys()):
            yield locale, "", template.format(forms[name])
        others = [n for n in forms if n not in near and not near & {*table.generals_of(n)}]
        for name in chance.sample(others, LIES_OF_A_PICTURE):
            yield locale, "subject", template.format(forms[name])


async def run(
    verifier: Verifier,
    jpeg: bytes,
    captions: Iterator[tuple[str, str, str]],
    kinds: tuple[str, ...],
    results: Results,
) -> None:
    """Verifies the captions of one picture."""
    for locale, lie, caption in captions:
        verification = await verifier.verify(jpeg, caption, locale, Deadline.after(300))
        denied = Counter(c.kind for c in verification.checks if c.verdict == "contradicted")
        for kind in kinds if not lie else (lie,):
            counts, is_denied = results.of(kind, locale), bool(denied[CHECK_KINDS[kind]])
            if lie:
                counts.lies += 1
                counts.found += is_denied
            else:
                counts.true += 1
                counts.doubted += is_denied
        if not lie and denied:
            results.false_alarms.append(f"{locale}: {caption} {dict(denied)}")


async def measure(signs: int, seed: int, subjects: Path | None) -> Results:
    """The results for drawn signs and for real pictures."""
    eyes, results, chance = Eyes(), Results(), random.Random(seed)
    verifier = Verifier(EvidenceSource(eyes, eyes), lambda *_: None)
    for sign in draw_signs(signs, chance):
        captions = write_captions(sign, chance)
        await run(
            verifier, sign.jpeg, captions, ("text", "digits", "any colour", "other colour"), results
        )
    for line in subjects.read_text("utf-8").splitlines() if subjects else ():
        label = json.loads(line)
        objects = frozenset(label.get("objects", ())) & load_concepts().concepts.keys()
        if objects and subjects:
            with Image.open(subjects.parent / label["file"]) as image:
                jpeg = normalise(image)
            await run(verifier, jpeg, write_subjects(objects, chance), ("subject",), results)
    return results


def format_report(results: Results) -> str:
    """A table by kind and language, and each true caption that was doubted."""
    lines = ["kind         language  lies found        true captions doubted"]
    kinds = dict.fromkeys(kind for kind, _ in results.counts)
    for kind in kinds:
        rows = {locale: counts for (k, locale), counts in results.counts.items() if k == kind}
        total = Counts()
        for counts in rows.values():
            total.lies, total.found = total.lies + counts.lies, total.found + counts.found
            total.true, total.doubted = total.true + counts.true, total.doubted + counts.doubted
        for locale, counts in {**rows, "all": total}.items():
            found = f"{counts.found} of {counts.lies} ({_percent(counts.found, counts.lies)})"
            doubted = f"{counts.doubted} of {counts.true} ({_percent(counts.doubted, counts.true)})"
            lines.append(f"{kind:12} {locale:9} {found:17} {doubted}")
    return "\n".join([*lines, *(f"  doubted: {each}" for each in results.false_alarms)])


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description="Measure the verification of captions.")
    parser.add_argument("--signs", type=int, default=60, help="drawn pictures")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--subjects", type=Path, help="a file of labelled pictures, JSON lines")
    arguments = parser.parse_args()
    print(format_report(asyncio.run(measure(arguments.signs, arguments.seed, arguments.subjects))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
