"""A headless Chromium, driven by Playwright, and axe-core inside the pages that it opens."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altwright.errors import UsageError
from altwright.extras import install_command
from altwright.verify.report import Finding, Images, violations_of

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserType, Frame, Page

RULES = (
    "area-alt", "image-alt", "image-redundant-alt", "input-image-alt", "object-alt",
    "role-img-alt", "svg-img-alt",
)  # fmt: skip
"""axe-core's rules about pictures; those about video, frames and titles are somebody else's."""
_PROGRAMS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "microsoft-edge", "msedge",
)  # fmt: skip
_SETTLE_S = 3.0
"""So long a page that goes on loading may, after its load event."""
_COUNT = """() => {
  const all = [...document.querySelectorAll('img')];
  const with_alt = all.filter((image) => image.hasAttribute('alt'));
  const described = with_alt.filter((image) => image.alt.trim()).length;
  return [described, with_alt.length - described, all.length - with_alt.length];
}"""


def axe_source() -> str:
    """axe-core's script. Raises UsageError where its package is missing."""
    try:
        return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    except (ModuleNotFoundError, FileNotFoundError):
        raise _missing("axe-core") from None


def find_chromium(chosen: str | None) -> str | None:
    """The browser to start: the chosen one, or one of the system's; None where there is none.

    Raises UsageError where the chosen one is not there.
    """
    if chosen is not None:
        path = shutil.which(chosen)
        if path is None:
            raise UsageError(f"There is no program {chosen}.")
        return path
    return next((path for name in _PROGRAMS if (path := shutil.which(name))), None)


@asynccontextmanager
async def browser(chosen: str | None) -> AsyncIterator[Browser]:
    """A running browser. Raises UsageError with a sentence that says what to install."""
    try:
        from playwright.async_api import Error, async_playwright
    except ModuleNotFoundError:
        raise _missing("Playwright") from None
    async with async_playwright() as playwright:
        program = _its_own(playwright.chromium) or find_chromium(None)
        program = find_chromium(chosen) if chosen else program
        if program is None:
            raise UsageError(
                "There is no Chromium: apt-get install chromium, or playwright install chromium, "
                "or name yours with --chromium PATH."
            )
        # As root Chromium's sandbox does not start.
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        try:
            running = await playwright.chromium.launch(
                executable_path=program, chromium_sandbox=not is_root
            )
        except Error as error:
            said = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
            raise UsageError(f"{program} does not start: {said}") from None
        try:
            yield running
        finally:
            await running.close()


async def look_at(
    running: Browser, pages: Iterable[str], *, tabs: int, timeout_s: float
) -> AsyncIterator[Finding]:
    """Each page's finding, as they are done; `tabs` at once. One broken page stops nothing."""
    axe = axe_source()
    waiting: set[asyncio.Task[Finding]] = set()
    try:
        for url in pages:
            waiting.add(asyncio.create_task(_finding(running, url, axe, timeout_s)))
            if len(waiting) >= tabs:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    yield each.result()
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                yield each.result()
    finally:
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def version(running: Browser) -> str:
    """axe-core's."""
    page = await running.new_page()
    await page.evaluate(axe_source() + ";0")
    found = str(await page.evaluate("axe.version"))
    await page.close()
    return found


async def _finding(running: Browser, url: str, axe: str, timeout_s: float) -> Finding:
    from playwright.async_api import Error

    # A context of its own: no cookie of one page changes what the next one shows.
    context = await running.new_context()
    try:
        page = await context.new_page()
        page.set_default_timeout(timeout_s * 1000)
        answer = await page.goto(url, wait_until="load")
        if answer is not None and answer.status >= 400:
            return Finding(url, problem=f"answered {answer.status}, not looked at")
        await _settled(page)
        return await asyncio.wait_for(_examined(page, url, axe), timeout_s)
    except (Error, TimeoutError) as error:
        said = str(error).strip().splitlines()
        return Finding(url, problem=said[0] if said else f"not done within {timeout_s:.0f} s")
    finally:
        await context.close()


async def _settled(page: Page) -> None:
    """Pictures that scripts bring come after the load event, on some pages without an end."""
    from playwright.async_api import Error

    try:
        await page.wait_for_load_state("networkidle", timeout=_SETTLE_S * 1000)
    except Error:
        return


async def _examined(page: Page, url: str, axe: str) -> Finding:
    counts = await _prepared(page.main_frame, axe)
    for frame in page.frames:
        if frame is not page.main_frame:
            counts = [
                a + b for a, b in zip(counts, await _prepared_if_there(frame, axe), strict=True)
            ]
    found: dict[str, Any] = await page.evaluate(
        "(rules) => axe.run({ runOnly: rules, resultTypes: ['violations'] })", list(RULES)
    )
    return Finding(url, Images(*counts), violations_of(found["violations"]))


async def _prepared(frame: Frame, axe: str) -> list[int]:
    """axe asks the axe of each frame; its `<img>` are counted by the way."""
    await frame.evaluate(axe + ";0")
    counts: list[int] = await frame.evaluate(_COUNT)
    return counts


async def _prepared_if_there(frame: Frame, axe: str) -> list[int]:
    from playwright.async_api import Error

    try:
        return await _prepared(frame, axe)
    except Error:
        return [0, 0, 0]  # it went away, or shows an error's page; axe leaves it out


def _its_own(chromium: BrowserType) -> str | None:
    """The Chromium that `playwright install` fetched, where it did."""
    path = chromium.executable_path
    return path if path and Path(path).exists() else None


def _missing(what: str) -> UsageError:
    return UsageError(f"{what} is missing: {install_command('cli', 'verify')}")
