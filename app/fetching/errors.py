"""Errors of fetching an image from its origin."""

from app.errors import CaptionError


class ImageUrlForbidden(CaptionError):
    """The URL is malformed, or leads to an address that must not be connected to.

    One text for every address, name and port. Which of them it was is in the log only, so that a
    caller cannot map a private network.
    """

    code, status = "image_url_forbidden", 422
    title = "The image URL is not allowed"
    public = (
        "The image URL must lead to a public address, on an allowed port (usually 80 or 443). "
        "Private, local and reserved addresses are not fetched: send such an image as a file."
    )
    own_network = (
        f"{public} Or start the server so that it may fetch from your own network, for instance "
        """with ALTWRIGHT_FETCH__ALLOWED_NETWORKS='["127.0.0.0/8"]'."""
    )
    """The `detail` for the operator, who calls from the same machine without a key."""

    def __init__(
        self, detail: str | None = None, *, log_reason: str = "", is_own_network: bool = False
    ) -> None:
        """`is_own_network`: the operator's setting FETCH__ALLOWED_NETWORKS would permit it."""
        self.is_own_network = is_own_network
        if is_own_network:
            log_reason += "; FETCH__ALLOWED_NETWORKS permits networks of your own"
        super().__init__(detail, log_reason=log_reason)


class ImageNotFound(CaptionError):
    """The origin responded with 404 or 410."""

    code, status = "image_not_found", 422
    title = "There is no image at this URL"
    public = "The image's server says that there is nothing at this URL. Check the URL."


class ImageDenied(CaptionError):
    """The origin refuses access, sends a login page or a browser check, or redirects too often."""

    code, status = "image_denied", 422
    title = "The image's server refused"
    public = (
        "The image's server did not give the image out. Use a URL that opens without logging in, "
        "for instance a signed one."
    )


class ImageUnreachable(CaptionError):
    """No usable response: DNS, connection or TLS failed, or the origin failed or asked to wait.

    A name that does not resolve, a closed port and a filtered one share one text, so that a caller
    cannot scan ports.
    """

    code, status = "image_unreachable", 502
    title = "The image's server cannot be reached"
    public = (
        "The image's server could not be reached. Check the URL, and that the server is up and "
        "reachable from the internet; then try again."
    )


class ImageTimeout(CaptionError):
    """The origin accepted the connection and then was too slow."""

    code, status = "image_timeout", 504
    title = "The image came too slowly"
    public = "The image's server was too slow. Try again later, or use a smaller image."


class NameNotResolved(Exception):
    """DNS has no address for the name, or did not answer in time. The text is for the log."""
