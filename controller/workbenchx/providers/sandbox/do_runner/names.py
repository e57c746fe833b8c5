"""What a droplet is called and tagged: by these it is found again, whoever made it. Pure.

Names are not unique at the vendor, so a droplet also says which try made it: of two with one name, only the one of the try
that counts is ours to use.
"""

import re
from collections.abc import Iterable, Mapping

from workbenchx import ports

INSTALLATION = ports.INSTALLATION_TAG
TRY = "wbx-try"
# The vendor's grammar of a tag; what does not fit it stays in our own row alone.
_FITS = re.compile(r"[A-Za-z0-9_-]+:[A-Za-z0-9_-]+")


def installation(installation_id: str) -> str:
    """The tag by which all droplets of an installation are listed."""
    return f"{INSTALLATION}:{installation_id}"


def tags(installation_id: str, attempt: str, given: Mapping[str, str]) -> list[str]:
    """The tags of a new droplet."""
    own = [installation(installation_id), f"{TRY}:{attempt}"]
    told = [f"{name}:{value}" for name, value in sorted(given.items())]
    fitting = [each for each in told if _FITS.fullmatch(each) and len(each) <= 255]
    return list(dict.fromkeys([*own, *fitting]))


def read(found: Iterable[str]) -> dict[str, str]:
    """Tags as a mapping."""
    pairs = [each.partition(":") for each in found if ":" in each]
    return {name: value for name, _, value in pairs}
