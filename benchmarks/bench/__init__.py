"""`make bench`: what a caption costs here, and what other programs take for its parts."""
