"""Where the kit lies in a pod, and how a program of it is started. Standard library only."""

KIT = "/wbx/kit"
TERMINATION_LOG = "/dev/termination-log"
_ABOVE = "workbenchx.providers.sandbox"
PACKER = f"{_ABOVE}.kubernetes.inside.kit"
MODULES = {
    "box": f"{_ABOVE}.kubernetes.inside.box",
    "keeper": f"{_ABOVE}.kubernetes.inside.keeper",
    "tools": f"{_ABOVE}.inside.tools",
    "idle": f"{_ABOVE}.inside.idle",
}
"""What the kit holds, by the names that `command` takes."""


def command(name: str, *arguments: str) -> list[str]:
    """A command of the kit: its own loader and libraries, so that the image around it does not matter."""
    python = f"{KIT}/bin/python3"
    loader = [f"{KIT}/loader", "--library-path", f"{KIT}/so", "--argv0", python, python]
    return [*loader, "-I", "-S", "-B", "-m", MODULES[name], *arguments]
