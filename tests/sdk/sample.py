"""A program that uses the whole SDK: what type checkers are shown, and a test runs.

It takes the address of a server and the path of a picture.
"""

import asyncio
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
from altwright import (
    Altwright,
    AltwrightError,
    AsyncAltwright,
    Caption,
    CaptionRejected,
    CaptionUncertain,
    FailedCaption,
    Job,
    RateLimited,
    Role,
    Style,
    Unauthorized,
    Verdict,
)
from PIL import Image


def one(client: Altwright, picture: Path) -> str:
    """A caption, whichever way the picture is held, and everything that can be made of it."""
    role: Role = "product"
    caption: Caption = client.caption(
        picture,
        style="concise",
        max_tokens=64,
        locale="en",
        context="Harbour mug, 350 ml",
        role=role,
        keywords=["mug"],
        metadata={"row": "7"},
    )
    width_px: int = caption.image.width
    tokens: int | None = caption.usage.output_tokens
    row: str = caption.metadata["row"]
    page = [
        caption.html_alt(),
        caption.og_image("https://shop.example/mug.jpg"),
        caption.structured_data("https://shop.example/mug.jpg"),
        f"{width_px} {tokens} {row} {caption.warnings} {caption.decorative} {caption.truncated}",
    ]
    data = picture.read_bytes()
    held = (data, io.BytesIO(data), Image.open(picture))
    page += [str(client.caption(image)) for image in held]
    return "\n".join(page)


def several(client: Altwright, picture: Path) -> list[str]:
    """Several styles at once; one that fails does not lose the others."""
    told: list[str] = []
    for result in client.captions(picture, styles=["concise", "detailed"], locales=["en", "de"]):
        if isinstance(result, FailedCaption):
            told.append(f"{result.style} {result.locale}: {result.problem.code}")
        else:
            told.append(f"{result.style} {result.locale}: {result}")
    return told


def judged(client: Altwright) -> str:
    """The rules, for a text that a person wrote; and the styles that there are."""
    verdict: Verdict = client.check("Image of a red mug", style="concise", locale="en")
    styles: list[Style] = client.styles()
    longest: int | None = styles[0].limits.max_chars
    return f"{verdict.ok} {verdict.hard} {verdict.soft} {verdict} {styles[0].name} {longest}"


def careful(client: Altwright, url: str) -> str:
    """What each outcome asks for."""
    try:
        return str(client.caption(url))
    except CaptionRejected as rejected:
        return f"{rejected.draft} {[reason.code for reason in rejected.reasons]}"
    except CaptionUncertain:
        return "a person should write this one"
    except Unauthorized:
        return "stop: the key is wrong"
    except RateLimited as limited:
        return f"again in {limited.retry_after} s"
    except AltwrightError as error:
        return f"{error}"


def jobs(picture: Path) -> Iterator[Job]:
    """Pictures with options of their own."""
    for number, style in enumerate(("concise", "seo")):
        yield Job(picture, style=style, ref=number)


def many(client: Altwright, picture: Path) -> int:
    """Any number of pictures; errors are yielded, not raised."""
    made = 0
    for job, outcome in client.caption_many(jobs(picture), concurrency=2, per_second=20):
        if isinstance(outcome, AltwrightError):
            print(job.ref, outcome.retry_after)
        else:
            made += len(outcome.caption) > 0
    return made


async def awaited(url: str, picture: Path) -> str:
    """The same without a thread for each caption."""
    async with AsyncAltwright(base_url=url, timeout=30) as client:
        caption = await client.caption(picture, style="seo")
        fallback: Caption | None = await client.caption_or(b"no picture", None)
        async for _, outcome in client.caption_many([picture], concurrency=1):
            if isinstance(outcome, Caption):
                return f"{caption} {fallback} {outcome}"
    return ""


def main(url: str, picture: Path) -> None:
    """Everything once."""
    with httpx.Client() as http, Altwright(base_url=url, http_client=http) as client:
        patient = client.with_options(timeout=60, max_retries=4)
        print(one(patient, picture))
        print(*several(client, picture), judged(client), sep="\n")
        print(careful(client, "http://10.0.0.1/a.jpg"))
        print(client.caption_or("http://10.0.0.1/a.jpg", "no caption"))
        print(many(client, picture))
    print(asyncio.run(awaited(url, picture)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
