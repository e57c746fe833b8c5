"""Tags and places that a sandbox of ours has at Vercel."""

INSTALLATION = "wbx-installation"
"""Tag: whose it is. A list is asked for by it."""
ORDER = "wbx-order"
"""Tag: the sha256 of what was ordered; a moved deadline is the same order."""
MOST_TAGS = 5
HOME = "/vercel/sandbox"
BOX = f"{HOME}/wbx"
"""The folder of the sandbox, as ../supervision/layout has it; our modules lie in `kit` below it."""
