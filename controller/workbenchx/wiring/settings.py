"""Settings of one invocation, rising weight: `wbx.toml`, `WBX_*` environment variables, flags.

`wbx.toml` lies at the root of the repository (the nearest parent folder that holds one, else that holds `.git`). Every
key is optional; `keys.KEYS` documents each. The environment variable of a key is `WBX_` and its name in upper case. Relative
paths of `wbx.toml` count from its folder, those of variables and flags from the current folder.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from workbenchx import errors
from workbenchx.wiring import keys, settings_file

FILE = "wbx.toml"
WAITING_RUNS = 16  # elsewhere than here a run is mostly waited for


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What was decided. `root` is the repository, `home` the embedded data, `ssot` the declared folder."""

    root: pathlib.Path
    home: pathlib.Path
    ssot: pathlib.Path
    database_url: str | None = None
    api_url: str | None = None
    stand_in: str | None = "local"
    repository: str | None = None
    stand_in_namespace: str = "wbx-sandboxes"
    stand_in_storage: str | None = None
    stand_in_inference: str | None = None
    auth_url: str | None = None
    console_url: str | None = None
    publishable_key: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str = "authenticated"
    jwt_algorithms: tuple[str, ...] = ("ES256", "RS256")
    jwt_legacy_secret: str | None = dataclasses.field(default=None, repr=False)
    console_host: str = "127.0.0.1"
    console_port: int = 8420
    console_origins: tuple[str, ...] = ()
    health_host: str = "127.0.0.1"
    health_port: int = 8421
    console_rate: int = 100
    environment: str = "embedded"
    concurrency: int = 2
    embeddings: str = "auto"
    fixbot_enabled: bool | None = None
    fixbot_rules: tuple[str, ...] = ()
    fixbot_open: int = 10
    fixbot_hourly: int = 4
    fixbot_labels: tuple[str, ...] = ()
    fixbot_name: str = "WorkbenchX FixBot"
    fixbot_email: str = "fixbot@workbenchx.invalid"
    fixbot_signing_key: str | None = dataclasses.field(default=None, repr=False)
    fixbot_registry_auth: str | None = dataclasses.field(default=None, repr=False)
    log_level: str = "warning"
    colour: str = "auto"

    @property
    def embedded(self) -> bool:
        """Whether this installation lives on the embedded Postgres of `home`."""
        return self.database_url is None and self.api_url is None


def load(
    *,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    folder: pathlib.Path | None = None,
    amiss: settings_file.Amiss = settings_file.refuse,
) -> Settings:
    """The settings as seen from `folder` (default: the current one).

    What is wrong in the file or a variable goes to `amiss`; if that one returns, it counts as not set.

    Raises:
        errors.Stalled: reason BadSettings; the message names file and line, or the variable or flag.
    """
    environ = os.environ if environ is None else environ
    folder = (folder or pathlib.Path.cwd()).absolute()
    root = find_root(folder)
    chosen = settings_file.read(root / FILE, amiss)
    chosen |= _from_environment(environ, folder, amiss)
    chosen |= {
        name: keys.checked(
            name, str(value), keys.Place(f"--{name.replace('_', '-')}", name), folder
        )
        for name, value in (flags or {}).items()
        if value is not None
    }
    return _settle(root, chosen)


def secret(reference: str) -> str:
    """What lies behind a setting of form reference, read at use.

    Raises:
        errors.Stalled: reason SecretMissing; the message names the reference, never a value.
    """
    kind, _, name = reference.partition(":")
    try:
        return os.environ[name] if kind == "env" else pathlib.Path(name).read_text("utf-8")
    except (KeyError, OSError, UnicodeDecodeError) as error:
        raise errors.Stalled(
            f'settings: "{reference}" cannot be read', reason="SecretMissing"
        ) from error


def find_root(folder: pathlib.Path) -> pathlib.Path:
    """The nearest folder, from `folder` upwards, that holds wbx.toml or .git; else `folder` itself."""
    for candidate in (folder, *folder.parents):
        if (candidate / FILE).is_file() or (candidate / ".git").exists():
            return candidate
    return folder


def _settle(root: pathlib.Path, chosen: dict[str, Any]) -> Settings:
    embedded = not (chosen.get("database_url") or chosen.get("api_url"))
    at_once = _processors() if embedded else WAITING_RUNS
    chosen = {"home": root / ".wbx", "ssot": root / "ssot", "concurrency": at_once, **chosen}
    if chosen.get("stand_in", None if embedded else "none") == "none":
        chosen["stand_in"] = None
    return Settings(root=root, **chosen)


def _processors() -> int:
    return max(1, len(os.sched_getaffinity(0)))


def _from_environment(
    environ: Mapping[str, str], folder: pathlib.Path, amiss: settings_file.Amiss
) -> dict[str, Any]:
    found = {}
    for name in keys.KEYS:
        variable = f"WBX_{name.upper()}"
        if not environ.get(variable):
            continue
        try:
            place = keys.Place(variable, name)
            found[name] = keys.checked(name, environ[variable], place, folder)
        except errors.Stalled as problem:
            amiss(problem)
    return found
