"""What Chromium shows of an image file: a screenshot on a white page."""

import base64
import io

from PIL import Image

from testing.servers.browser import Page

_SHOW = """
new Promise(resolve => {
  const image = new Image();
  image.style.display = 'block';
  image.onerror = () => resolve(null);
  image.onload = () => {
    document.documentElement.style.background = '#fff';
    document.body.style.margin = 0;
    document.body.replaceChildren(image);
    image.decode().then(
      () => requestAnimationFrame(() => requestAnimationFrame(
        () => resolve([image.naturalWidth, image.naturalHeight]))),
      () => resolve(null));
  };
  image.src = URL.createObjectURL(new Blob([Uint8Array.from(atob('%s'), c => c.charCodeAt(0))],
    {type: 'image/%s'}));
})
"""


def render_in_chromium(page: Page, data: bytes, image_format: str) -> Image.Image | None:
    """The image in its own size, mode RGB; None where Chromium does not show it."""
    size = page.run(_SHOW % (base64.b64encode(data).decode(), image_format))
    if size is None:
        return None
    clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
    shot = page.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
