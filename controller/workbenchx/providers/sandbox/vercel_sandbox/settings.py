"""What an option of this adapter may set, in `spec.settings` of a SandboxProvider with `adapter: vercel_sandbox`."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from workbenchx import errors
from workbenchx.api import quantities

CREDENTIALS = ("token", "team", "project")
"""What an option must say in `spec.credentials`."""
_BASE = re.compile(r"https://[^\s?#@]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/[^\s?#@]*)?")
_DIGEST = "@sha256:"
_VENDORS = re.compile(r"[a-z0-9-]+\.vercel\.com/.+")


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """Seconds and bytes.

    `region`: where sandboxes are made. `api`: the vendor's API, if it is not at its own address. `keep`: for how long a
    sandbox lives after its deadline, so that files can be read. `longest`: the longest life that the plan of the team
    allows. `grace`: from TERM to KILL. `disk`: what one sandbox may write. `patience`: how long one may take until it runs
    before `create` says what it waits for. `call`: time-out of one request.
    """

    region: str | None = None
    api: str | None = None
    keep: float = 3600.0
    longest: float = 86400.0
    grace: float = 10.0
    disk: int = 20 << 30
    patience: float = 120.0
    call: float = 60.0


_NAMES = {"maxLifetime": "longest"}
_DURATIONS = frozenset({"keep", "longest", "grace", "patience", "call"})


def read(document: Mapping[str, Any]) -> Settings:
    """The settings of an option.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    found = {_NAMES.get(name, name): value for name, value in document.items()}
    known = {field.name for field in dataclasses.fields(Settings)}
    if unknown := sorted(set(found) - known):
        shown = sorted(
            {field: name for name, field in _NAMES.items()}.get(one, one) for one in known
        )
        raise _bad(f'setting "{unknown[0]}" is not known (known: {", ".join(shown)})')
    try:
        values = {name: _value(name, value) for name, value in found.items()}
    except ValueError as problem:
        raise _bad(f"settings: {problem}") from problem
    if values.get("api") and not _BASE.fullmatch(values["api"]):
        raise _bad(
            f'settings.api is "{values["api"]}", must be https://HOST/… (http only of this machine)'
        )
    return Settings(**values)


def _value(name: str, value: Any) -> Any:
    if name in _DURATIONS:
        return float(value) if isinstance(value, int | float) else quantities.duration(str(value))
    if name == "disk":
        return value if isinstance(value, int) else quantities.memory(str(value))
    return str(value)


def check_image(image: str) -> None:
    """The vendor runs images of its own, and of its registry; none by a digest from elsewhere.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    if not image or (_DIGEST in image and not _VENDORS.fullmatch(image)):
        raise _bad(
            f'image "{image}" cannot be run there: name one of Vercel\'s in'
            " spec.providers.vercel_sandbox.image of the Runtime, such as vercel/sandbox/universal:latest"
        )


def _bad(message: str) -> errors.Stalled:
    return errors.Stalled(f"vercel_sandbox: {message}", reason="InvalidSpec")
