"""Run axe-core's rules for images on pages, in headless Chromium driven by Playwright."""

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
from altwright.verify.report import ImageCounts, PageReport, parse_violations

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserType, Frame, Page

RULES = (
    "area-alt", "image-alt", "image-redundant-alt", "input-image-alt", "object-alt",
    "role-img-alt", "svg-img-alt",
)  # fmt: skip
"""axe-core's rules for images; those for video, frames and titles are not about alt texts."""
_BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "microsoft-edge", "msedge",
)  # fmt: skip
_NETWORK_IDLE_TIMEOUT_S = 3.0
"""How long to wait after the load event for a page that goes on loading."""
_COUNT_IMAGES = """() => {
  const all = [...document.querySelectorAll('img')];
  const with_alt = all.filter((image) => image.hasAttribute('alt'));
  const described = with_alt.filter((image) => image.alt.trim()).length;
  return [described, with_alt.length - described, all.length - with_alt.length];
}"""


def axe_source() -> str:
    """The script of axe-core. Raises UsageError if its package is not installed."""
    try:
        return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    except (ModuleNotFoundError, FileNotFoundError):
        raise _missing("axe-core") from None


def find_browser(chosen: str | None) -> str | None:
    """The path of the chosen program, or of one on PATH; None if there is none.

    Raises UsageError if the chosen program does not exist.
    """
    if chosen is not None:
        path = shutil.which(chosen)
        if path is None:
            raise UsageError(f"There is no program {chosen}.")
        return path
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


@asynccontextmanager
async def launch_browser(chosen: str | None) -> AsyncIterator[Browser]:
    """A running browser. Raises UsageError with a sentence that says what to install."""
    try:
        from playwright.async_api import Error, async_playwright
    except ModuleNotFoundError:
        raise _missing("Playwright") from None
    async with async_playwright() as playwright:
        program = _playwrights_browser(playwright.chromium) or find_browser(None)
        program = find_browser(chosen) if chosen else program
        if program is None:
            raise UsageError(
                "There is no Chromium: apt-get install chromium, or playwright install chromium, "
                "or name a browser with --chromium PATH."
            )
        # Chromium's sandbox does not start as root.
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        try:
            running = await playwright.chromium.launch(
                executable_path=program, chromium_sandbox=not is_root
            )
        except Error as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else "unknown reason"
            raise UsageError(f"{program} does not start: {reason}") from None
        try:
            yield running
        finally:
            await running.close()


async def check_pages(
    running: Browser, pages: Iterable[str], *, tabs: int, timeout_s: float
) -> AsyncIterator[PageReport]:
    """Check pages, `tabs` at once, and yield their reports as they are done.

    A page that cannot be loaded has a report too.
    """
    axe = axe_source()
    tasks: set[asyncio.Task[PageReport]] = set()
    try:
        for url in pages:
            tasks.add(asyncio.create_task(_check_page(running, url, axe, timeout_s)))
            if len(tasks) >= tabs:
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        while tasks:
            done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def axe_version(running: Browser) -> str:
    """The version of axe-core."""
    page = await running.new_page()
    await page.evaluate(axe_source() + ";0")
    version = str(await page.evaluate("axe.version"))
    await page.close()
    return version


async def _check_page(running: Browser, url: str, axe: str, timeout_s: float) -> PageReport:
    from playwright.async_api import Error

    # A new browser context for each page: cookies of one page do not change the next one.
    context = await running.new_context()
    try:
        page = await context.new_page()
        page.set_default_timeout(timeout_s * 1000)
        response = await page.goto(url, wait_until="load")
        if response is not None and response.status >= 400:
            return PageReport(url, problem=f"responded with {response.status}, not checked")
        await _wait_for_network_idle(page)
        return await asyncio.wait_for(_run_axe(page, url, axe), timeout_s)
    except (Error, TimeoutError) as error:
        lines = str(error).strip().splitlines()
        return PageReport(url, problem=lines[0] if lines else f"not done within {timeout_s:.0f} s")
    finally:
        await context.close()


async def _wait_for_network_idle(page: Page) -> None:
    """Scripts add images after the load event; some pages never stop loading."""
    from playwright.async_api import Error

    try:
        await page.wait_for_load_state("networkidle", timeout=_NETWORK_IDLE_TIMEOUT_S * 1000)
    except Error:
        return


async def _run_axe(page: Page, url: str, axe: str) -> PageReport:
    counts = await _prepare_frame(page.main_frame, axe)
    for frame in page.frames:
        if frame is not page.main_frame:
            frame_counts = await _prepare_child_frame(frame, axe)
            counts = [a + b for a, b in zip(counts, frame_counts, strict=True)]
    results: dict[str, Any] = await page.evaluate(
        "(rules) => axe.run({ runOnly: rules, resultTypes: ['violations'] })", list(RULES)
    )
    return PageReport(url, ImageCounts(*counts), parse_violations(results["violations"]))


async def _prepare_frame(frame: Frame, axe: str) -> list[int]:
    """Load axe-core into a frame, which the page's axe-core needs; returns counts of `<img>`."""
    await frame.evaluate(axe + ";0")
    counts: list[int] = await frame.evaluate(_COUNT_IMAGES)
    return counts


async def _prepare_child_frame(frame: Frame, axe: str) -> list[int]:
    from playwright.async_api import Error

    try:
        return await _prepare_frame(frame, axe)
    except Error:
        return [0, 0, 0]  # it was removed, or shows an error page; axe-core skips it


def _playwrights_browser(chromium: BrowserType) -> str | None:
    """The Chromium that `playwright install` downloaded, if it did."""
    path = chromium.executable_path
    return path if path and Path(path).exists() else None


def _missing(package: str) -> UsageError:
    return UsageError(f"{package} is missing: {install_command('cli', 'verify')}")
