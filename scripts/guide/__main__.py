"""`make docs`: writes the guide, which the server shows at /docs/guide.

    python -m scripts.guide [FOLDER]

A link that leads nowhere, inside the guide or to a file of the project, is an error.
"""

import sys
from pathlib import Path

from scripts.guide.site import BrokenLinks, build_guide

_TOP = Path(__file__).parents[2]
_TARGET = _TOP / "app/api/pages/guide_site"


def main() -> int:
    """Build it; 1 where links are broken."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else _TARGET
    try:
        pages = build_guide(_TOP, target)
    except BrokenLinks as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{len(pages)} pages in {target}; the server shows them at /docs/guide\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
