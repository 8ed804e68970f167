"""A program that uses the whole SDK, for type checkers and for a test.

It takes the address of a server and the path of an image.
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
    QuotaExceeded,
    RateLimited,
    Role,
    Style,
    Unauthorized,
    UsageReport,
    Verdict,
)
from PIL import Image


def caption_one(client: Altwright, image_path: Path) -> str:
    """Caption every form of image, and use everything that a caption offers."""
    role: Role = "product"
    caption: Caption = client.caption(
        image_path,
        style="concise",
        max_tokens=64,
        locale="en",
        context="Harbour mug, 350 ml",
        role=role,
        visible_text="Our new mug",
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
    data = image_path.read_bytes()
    inputs = (data, io.BytesIO(data), Image.open(image_path))
    page += [str(client.caption(image)) for image in inputs]
    return "\n".join(page)


def caption_several(client: Altwright, image_path: Path) -> list[str]:
    """Several styles at once; a failed one does not affect the others."""
    results: list[str] = []
    for result in client.captions(image_path, styles=["concise", "detailed"], locales=["en", "de"]):
        if isinstance(result, FailedCaption):
            results.append(f"{result.style} {result.locale}: {result.problem.code}")
        else:
            results.append(f"{result.style} {result.locale}: {result}")
    return results


def check_text(client: Altwright) -> str:
    """Check a text that a person wrote, and list the styles."""
    verdict: Verdict = client.check("Image of a red mug", style="concise", locale="en")
    styles: list[Style] = client.styles()
    longest: int | None = styles[0].limits.max_chars
    return f"{verdict.ok} {verdict.hard} {verdict.soft} {verdict} {styles[0].name} {longest}"


def read_usage(client: Altwright) -> str:
    """What the key used in this month."""
    usage: UsageReport = client.usage()
    left: int | None = None if usage.quota is None else usage.quota.remaining
    cost: float = 0.0 if usage.cost is None else usage.cost.amount
    return f"{usage} {usage.requests} {usage.captions['caption']} {left} {cost} {usage.period.end}"


def handle_errors(client: Altwright, url: str) -> str:
    """What to do after each error."""
    try:
        return str(client.caption(url))
    except CaptionRejected as rejected:
        return f"{rejected.draft} {[reason.code for reason in rejected.reasons]}"
    except CaptionUncertain:
        return "a person should write this one"
    except Unauthorized:
        return "stop: the key is wrong"
    except QuotaExceeded as exceeded:
        return f"next month, in {exceeded.retry_after} s"
    except RateLimited as limited:
        return f"again in {limited.retry_after} s"
    except AltwrightError as error:
        return f"{error}"


def jobs(image_path: Path) -> Iterator[Job]:
    """Images with their own options."""
    for number, style in enumerate(("concise", "seo")):
        yield Job(image_path, style=style, ref=number)


def caption_all(client: Altwright, image_path: Path) -> int:
    """Any number of images; errors are yielded, not raised."""
    count = 0
    for job, outcome in client.caption_many(jobs(image_path), concurrency=2, per_second=20):
        if isinstance(outcome, AltwrightError):
            print(job.ref, outcome.retry_after)
        else:
            count += len(outcome.caption) > 0
    return count


async def caption_asynchronously(url: str, image_path: Path) -> str:
    """The same on asyncio."""
    async with AsyncAltwright(base_url=url, timeout=30) as client:
        caption = await client.caption(image_path, style="seo")
        fallback: Caption | None = await client.caption_or(b"not an image", None)
        async for _, outcome in client.caption_many([image_path], concurrency=1):
            if isinstance(outcome, Caption):
                return f"{caption} {fallback} {outcome}"
    return ""


def main(url: str, image_path: Path) -> None:
    """Call everything once."""
    with httpx.Client() as http, Altwright(base_url=url, http_client=http) as client:
        patient = client.with_options(timeout=60, max_retries=4)
        print(caption_one(patient, image_path))
        print(*caption_several(client, image_path), check_text(client), sep="\n")
        print(read_usage(client))
        print(handle_errors(client, "http://10.0.0.1/a.jpg"))
        print(client.caption_or("http://10.0.0.1/a.jpg", "no caption"))
        print(caption_all(client, image_path))
    print(asyncio.run(caption_asynchronously(url, image_path)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
