"""Header filter: takes malformed lines out of the head of a response, as browsers do.

h11 refuses a whole response for one line without a colon, such as a status line that stands twice
or a warning that a script printed too early. Browsers and curl show the image.
"""

import re
from typing import Literal

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (?P<status>[0-9]{3})(?: [^\x00\r\n]*)?")
_FIELD_START = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+:")
"""A name and its colon, without white space between them (RFC 9112, 5.1)."""
_PRINTABLE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_FRAMING = re.compile(rb"content-length|transfer-encoding", re.IGNORECASE)
HEAD_MAX_LINES = 256
"""Of a response's head, interim responses (103) included. One of these is two lines and takes the
parser 25 us. Servers send some dozen lines."""


class HeadTooLong(Exception):
    """The head of a response has too many bytes or lines. The text is for the log."""


class HeaderFilter:
    """Takes lines that are no header field out of one response after another.

    Nothing that decides where a message ends is taken out: lines that name Content-Length or
    Transfer-Encoding and lines with control characters stay, so that h11 refuses the response.
    Lines end where h11 ends them. The connection must not be reused once `has_dropped` is true:
    two readers could disagree about what such an origin sends next.
    """

    def __init__(self) -> None:
        self.has_dropped = False
        """Whether a line of any response so far was taken out."""
        self.begin()

    def begin(self) -> None:
        """A request has been sent: what comes next is the head of a response."""
        self._line = bytearray()
        """The line that has not ended yet."""
        self._lines = 0
        """Of this head so far, those of interim responses included."""
        self._is_in_fields = False
        self._is_interim = False
        self._is_after_head = False
        self._line_before: Literal["status", "kept", "dropped"] = "status"

    def feed(self, data: bytes) -> bytes:
        """What the parser may read of `data` and of the unfinished line before it.

        Raises HeadTooLong.
        """
        if self._has_head_ended():
            return data
        searched, buffer = len(self._line), self._line
        buffer += data
        passed, start = bytearray(), 0
        while not self._has_head_ended():
            end = buffer.find(b"\n", max(start, searched)) + 1
            if not end:
                break
            self._lines += 1
            if self._lines > HEAD_MAX_LINES:
                raise HeadTooLong(f"no head within {HEAD_MAX_LINES} lines")
            line = bytes(buffer[start:end])
            if self._is_kept(line.removesuffix(b"\n").removesuffix(b"\r")):
                passed += line
            start = end
        if self._has_head_ended():
            passed += buffer[start:]
            start = len(buffer)
        del buffer[:start]
        return bytes(passed)

    def end(self) -> bytes:
        """What is left where the connection has ended: an unfinished line, or nothing."""
        left = bytes(self._line)
        self._line.clear()
        return left

    def _has_head_ended(self) -> bool:
        return self._is_after_head

    def _is_kept(self, line: bytes) -> bool:
        if not self._is_in_fields:
            self._read_status_line(line)
            return True
        if not line:
            self._is_in_fields, self._is_after_head = False, not self._is_interim
            return True
        if _FIELD_START.match(line):
            self._line_before = "kept"
            return True
        if not _PRINTABLE.fullmatch(line):
            return True
        # A line that begins with white space continues the line before it (RFC 9112, 5.2).
        is_continuation = line[:1] in (b" ", b"\t") and self._line_before != "status"
        if self._line_before == "kept" if is_continuation else _FRAMING.search(line):
            return True
        self._line_before, self.has_dropped = "dropped", True
        return False

    def _read_status_line(self, line: bytes) -> None:
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            self._is_after_head = True  # not HTTP/1: h11 refuses it
            return
        status = int(found["status"])
        self._is_in_fields, self._line_before = True, "status"
        self._is_interim = 100 <= status < 200 and status != 101
