"""Labels, annotations, containers and paths that the objects of a sandbox have in common."""

import re

PREFIX = "workbenchx.dev"
INSTALLATION = f"{PREFIX}/installation"
SANDBOX = f"{PREFIX}/sandbox"
TAGS = f"{PREFIX}/tags"
"""Annotation: the tags, as JSON."""
ORDER = f"{PREFIX}/order"
"""Annotation: the sha256 of what was ordered; a moved deadline is the same order."""
IMAGE = f"{PREFIX}/image"
SHAPE = f"{PREFIX}/shape"
DEADLINE = f"{PREFIX}/deadline"
"""Annotation: seconds since 1970."""
STAGED = f"{PREFIX}/staged"
"""Annotation: the one pod in which the files lie, and so the only one in which the command may start."""
STARTED = f"{PREFIX}/started"
"""Annotation: when the start was told, in seconds since 1970."""
PORTS = f"{PREFIX}/ports"
"""Annotation: the ports and their addresses, as JSON."""

_ATTEMPT = re.compile(r"(wbx-[0-9a-f]{8}-[0-9a-f]{8})-[0-9]+")

MAIN, KEEPER, KIT = "main", "keeper", "kit"


def address(sandbox: str) -> str:
    """The name of its Service: the same for every attempt of a resource, so that others may refer to it."""
    found = _ATTEMPT.fullmatch(sandbox)
    return found[1] if found else sandbox


def jobs(namespace: str, name: str = "") -> str:
    """The path of the jobs, or of one."""
    return _path("apis/batch/v1", namespace, "jobs", name)


def pods(namespace: str, name: str = "") -> str:
    """The path of the pods, or of one."""
    return _path("api/v1", namespace, "pods", name)


def services(namespace: str, name: str = "") -> str:
    """The path of the services, or of one."""
    return _path("api/v1", namespace, "services", name)


def policies(namespace: str, name: str = "") -> str:
    """The path of the network policies, or of one."""
    return _path("apis/networking.k8s.io/v1", namespace, "networkpolicies", name)


def events(namespace: str) -> str:
    """The path of the events."""
    return _path("api/v1", namespace, "events", "")


def _path(api: str, namespace: str, plural: str, name: str) -> str:
    whole = f"/{api}/namespaces/{namespace}/{plural}"
    return f"{whole}/{name}" if name else whole
