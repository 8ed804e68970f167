"""Piece limit: ends a body that arrives in pieces of a few bytes.

A piece (a chunk, or what one read returned) costs the event loop the same, however small it is.
"""


class PieceLimit:
    """Counts the pieces of one body.

    The first `free_pieces` may have any size; the others must have `min_bytes` on average.
    """

    def __init__(self, free_pieces: int, min_bytes: int) -> None:
        self._free_pieces = free_pieces
        self._min_bytes = min_bytes
        self._bytes = 0
        self.pieces = 0

    def add(self, piece_bytes: int) -> bool:
        """Count one piece. Whether the limit still holds."""
        self.pieces += 1
        self._bytes += piece_bytes
        return (self.pieces - self._free_pieces) * self._min_bytes <= self._bytes
