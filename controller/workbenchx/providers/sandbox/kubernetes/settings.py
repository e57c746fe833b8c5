"""What an option of this adapter may set, in `spec.settings` of a SandboxProvider with `adapter: kubernetes`."""

import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any

from workbenchx import errors

_PINNED = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """Seconds and bytes.

    `namespace`: where sandboxes are made; "": where the worker itself is. `image`: our own, by digest (WBX_IMAGE).
    `kubeconfig`: a file instead of the pod's service account. `keep`: for how long files stay readable after the end if
    nobody deletes the sandbox. `grace`: from TERM to KILL. `disk`: what one sandbox may write. `patience`: how long a
    pod may take until it runs before `create` says what it waits for. `node_selector`, `runtime_class`: of the pods.
    """

    image: str
    namespace: str = ""
    kubeconfig: str | None = None
    keep: float = 3600.0
    grace: float = 10.0
    disk: int = 10 << 30
    patience: float = 90.0
    node_selector: Mapping[str, str] = dataclasses.field(default_factory=dict)
    runtime_class: str | None = None


_NAMES = {"nodeSelector": "node_selector", "runtimeClass": "runtime_class"}


def read(document: Mapping[str, Any]) -> Settings:
    """The settings of an option; what it does not say comes from `WBX_IMAGE` and the defaults.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    found = {_NAMES.get(name, name): value for name, value in document.items()}
    found.setdefault("image", os.environ.get("WBX_IMAGE", ""))
    known = {field.name for field in dataclasses.fields(Settings)}
    if unknown := sorted(set(found) - known):
        raise errors.Stalled(
            f'kubernetes: setting "{unknown[0]}" is not known (known: {", ".join(sorted(known))})',
            reason="InvalidSpec",
        )
    check_image(
        str(found["image"]), "the image of WorkbenchX itself (WBX_IMAGE, or settings.image)"
    )
    return Settings(**found)


def check_image(image: str, what: str) -> None:
    """Only what is named by digest runs.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    if not _PINNED.fullmatch(image):
        raise errors.Stalled(
            f'kubernetes: {what} is "{image}", must be pinned as NAME@sha256:DIGEST',
            reason="InvalidSpec",
        )
