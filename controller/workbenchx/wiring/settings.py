"""Settings of one invocation, rising weight: `wbx.toml`, `WBX_*` environment variables, flags.

`wbx.toml` lies at the root of the repository (the nearest parent folder that holds one, else that holds `.git`). Every
key is optional; `KEYS` documents each. The environment variable of a key is `WBX_` and its name in upper case. Those that
begin with the name of a table (`TABLES`) are written in it: `fixbot_open` is `open` of `[fixbot]`. Relative
paths of `wbx.toml` count from its folder, those of variables and flags from the current folder.
"""

import dataclasses
import difflib
import os
import pathlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from workbenchx import errors
from workbenchx.api import authors

FILE = "wbx.toml"
TABLES = ("fixbot",)
LOG_LEVELS = ("debug", "info", "warning", "error")
COLOURS = ("auto", "always", "never")
EMBEDDINGS = ("auto", "wordllama", "off")
STAND_INS = ("local", "kubernetes", "none")
WAITING_RUNS = 16  # elsewhere than here a run is mostly waited for


_PEOPLE: Mapping[Any, str] = {"name": authors.NAME, "address": authors.ADDRESS}
_URL = re.compile(
    r"(https://[^\s/?#@]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?)(/[^\s?#]*)?"
)
_REFERENCE = re.compile(r"env:[A-Za-z_]\w*|file:.+")


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """One setting: what it means, its form (path, text, count, port, url, reference, list, flag, name, address, or the allowed words)."""

    meaning: str
    form: str | tuple[str, ...] = "text"


KEYS: dict[str, Key] = {
    "home": Key("folder of the embedded data (default: .wbx beside wbx.toml)", "path"),
    "ssot": Key("folder of declared YAML (default: ssot)", "path"),
    "database_url": Key(
        "a Postgres to use instead of the embedded one; read by the db command and the cluster parts"
    ),
    "api_url": Key("a WorkbenchX API to talk to instead of the embedded engine"),
    "stand_in": Key(
        "adapters that stand in for the declared ones; none: the declared ones themselves (default: local if embedded, else none)",
        STAND_INS,
    ),
    "repository": Key(
        "in a cluster: URL of the repository that . means in spec.repo, as https://HOST/PATH"
    ),
    "stand_in_namespace": Key(
        "where stand_in is kubernetes: the namespace of sandboxes (default: wbx-sandboxes)"
    ),
    "stand_in_storage": Key(
        "where stand_in is kubernetes: the S3 server and bucket, as http://HOST:PORT/BUCKET"
    ),
    "stand_in_inference": Key(
        "where stand_in is set: a server of the OpenAI API, as http://HOST:PORT/v1 (default: llama.cpp from a wheel)"
    ),
    "auth_url": Key(
        "the Supabase Auth server that signs people in, as https://REF.supabase.co/auth/v1", "url"
    ),
    "publishable_key": Key("its publishable key, told to whoever wants to sign in"),
    "jwt_issuer": Key("the issuer that a token must name (default: auth_url)"),
    "jwt_audience": Key("the audience that a token must name (default: authenticated)"),
    "jwt_algorithms": Key(
        "signatures that count (default: ES256 RS256; EdDSA may be added)", "list"
    ),
    "jwt_legacy_secret": Key(
        "where the shared secret of old HS256 tokens is: env:NAME or file:PATH (default: HS256 is refused)",
        "reference",
    ),
    "console_host": Key("address that the console listens on (default: 127.0.0.1)"),
    "console_port": Key("its port; 0: any that is free (default: 8420)", "port"),
    "console_origins": Key(
        "sites whose scripts may ask the API, as https://HOST (default: none)", "list"
    ),
    "console_url": Key(
        "where people reach the console, as https://wbx.example.org: what forges are told links to plans there",
        "url",
    ),
    "health_host": Key(
        "address on which a cluster part answers /healthz, /readyz and /metrics (default: 127.0.0.1)"
    ),
    "health_port": Key("its port; 0: any that is free (default: 8421)", "port"),
    "console_rate": Key("requests a second that one caller may make (default: 100)", "count"),
    "environment": Key("name of this installation (default: embedded)"),
    "concurrency": Key(
        "how many runs execute at once (default: one per processor; of wbx worker: 16)", "count"
    ),
    "embeddings": Key(
        "what turns texts into vectors for wbx search (default: auto, wordllama where the extra embeddings is installed)",
        EMBEDDINGS,
    ),
    "fixbot_enabled": Key(
        "embedded: whether FixBot may propose changes where fixbot of the Project (of a Source: for cluster-scoped kinds) says nothing (default: false)",
        "flag",
    ),
    "fixbot_rules": Key("embedded: the rules that it may use then (default: all)", "list"),
    "fixbot_open": Key(
        "most pull requests of FixBot that are open in a repository (default: 10)", "count"
    ),
    "fixbot_hourly": Key("most that it makes in a repository within an hour (default: 4)", "count"),
    "fixbot_labels": Key("labels that its pull requests get besides their own", "list"),
    "fixbot_name": Key(
        "who its commits are by, where spec.forge.commits says nothing (default: WorkbenchX FixBot)",
        "name",
    ),
    "fixbot_email": Key("their e-mail address (default: fixbot@workbenchx.invalid)", "address"),
    "fixbot_signing_key": Key(
        "where the key is that signs its commits, where spec.forge.commits says nothing: env:NAME or file:PATH of a private SSH key or an armoured GPG key (default: not signed)",
        "reference",
    ),
    "fixbot_registry_auth": Key(
        "where the credentials are that tags of images are looked up with: env:NAME or file:PATH of a docker config.json (default: those of provider objects alone)",
        "reference",
    ),
    "log_level": Key("least severe line that the program's own log keeps", LOG_LEVELS),
    "colour": Key("when output is coloured (default: auto, on a terminal)", COLOURS),
}


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
) -> Settings:
    """The settings as seen from `folder` (default: the current one).

    Raises:
        errors.Stalled: reason BadSettings; the message names file and line, or the variable or flag.
    """
    environ = os.environ if environ is None else environ
    folder = (folder or pathlib.Path.cwd()).absolute()
    root = find_root(folder)
    chosen = _from_file(root / FILE)
    chosen |= _from_environment(environ, folder)
    chosen |= {
        name: _checked(name, str(value), f"--{name.replace('_', '-')}", folder)
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


def _from_environment(environ: Mapping[str, str], folder: pathlib.Path) -> dict[str, Any]:
    found = {}
    for name in KEYS:
        variable = f"WBX_{name.upper()}"
        if environ.get(variable):
            found[name] = _checked(name, environ[variable], variable, folder)
    return found


def _from_file(path: pathlib.Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(f"{path}: cannot be read ({error})") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _bad(f"{path}{_place(str(error))}") from error
    return dict(_read(document, text, path))


def _read(document: Mapping[str, Any], text: str, path: pathlib.Path) -> Iterator[tuple[str, Any]]:
    """Every value, the tables' under their full names."""
    for name, value in document.items():
        if name in TABLES and isinstance(value, Mapping):
            for inner, found in value.items():
                where = f"{path}:{_line_of(text, inner, table=name)}"
                _check_name(inner, _written_in(name), where)
                yield f"{name}_{inner}", _from_line(f"{name}_{inner}", found, where, path.parent)
            continue
        where = f"{path}:{_line_of(text, name)}"
        _check_name(name, [*_written_in(None), *TABLES], where)
        if name in TABLES:
            raise _bad(f"{where}: {name} must be a table: [{name}]")
        yield name, _from_line(name, value, where, path.parent)


def _written_in(table: str | None) -> list[str]:
    """The keys that are written there; None: outside of all tables."""
    if table is None:
        return [name for name in KEYS if name.partition("_")[0] not in TABLES]
    return [name.removeprefix(f"{table}_") for name in KEYS if name.startswith(f"{table}_")]


def _check_name(name: str, known: Sequence[str], where: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(known)}"
        if name in KEYS:
            table, _, inner = name.partition("_")
            hint = f"write {inner} in the table [{table}]"
        raise _bad(f'{where}: unknown key "{name}" ({hint})')


_TYPES: Mapping[str, tuple[type, str]] = {
    "count": (int, "a whole number"),
    "port": (int, "a whole number"),
    "flag": (bool, "true or false"),
}


def _from_line(name: str, value: Any, where: str, folder: pathlib.Path) -> Any:
    form = KEYS[name].form
    if form == "list" and isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = " ".join(value)
    wanted, right = _TYPES.get(str(form), (str, "a text in quotes"))
    if type(value) is not wanted:
        raise _bad(f"{where}: {name} must be {right}")
    return _checked(name, str(value).lower() if form == "flag" else str(value), where, folder)


def _checked(name: str, value: str, where: str, folder: pathlib.Path) -> Any:
    form = KEYS[name].form
    if form == "path":
        return (folder / pathlib.Path(value).expanduser()).absolute()
    if form in {"count", "port"}:
        return _number(name, value, where)
    if form == "flag" and value not in {"true", "false"}:
        raise _bad(f'{where}: {name} is "{value}", must be true or false')
    if isinstance(form, tuple) and value not in form:
        raise _bad(f'{where}: {name} is "{value}", must be one of {", ".join(form)}')
    if form == "url" and not _URL.fullmatch(value):
        raise _bad(
            f'{where}: {name} is "{value}", must be https://HOST/… (http only of this machine)'
        )
    if form in _PEOPLE and not re.search(_PEOPLE[form], value):
        raise _bad(f'{where}: {name} is "{value}", must be a plain {form}')
    if form == "reference" and not _REFERENCE.fullmatch(value):
        raise _bad(
            f"{where}: {name} must be env:NAME or file:PATH; the secret itself is not written down"
        )
    made = _MADE.get(str(form))
    found = made(value) if made else value
    if name == "fixbot_rules":
        _check_rules(found, where)
    return found


def _check_rules(found: Sequence[str], where: str) -> None:
    from workbenchx.fixbot import rules  # noqa: PLC0415 - few name any

    if unknown := sorted(set(found) - set(rules.BY_NAME)):
        raise _bad(f'{where}: there is no rule "{unknown[0]}" (rules: {", ".join(rules.BY_NAME)})')


def _number(name: str, value: str, where: str) -> int:
    plain = value.isascii() and value.isdigit()
    if KEYS[name].form == "count" and not (plain and int(value) > 0):
        raise _bad(f'{where}: {name} is "{value}", must be a whole number from 1')
    if not (plain and (KEYS[name].form == "count" or int(value) < 65536)):
        raise _bad(f'{where}: {name} is "{value}", must be a whole number up to 65535')
    return int(value)


_MADE: Mapping[str, Callable[[str], Any]] = {
    "flag": lambda value: value == "true",
    "list": lambda value: tuple(value.replace(",", " ").split()),
    "url": lambda value: value.rstrip("/"),
}


def _line_of(text: str, name: str, table: str | None = None) -> int:
    """The line of a key, or of a table; with `table`, of a key in it."""
    pattern = re.compile(rf"""^\s*\[?\[?\s*["']?{re.escape(name)}["']?\s*(?:[.=\]]|$)""")
    begins = _line_of(text, table) if table else 0
    for number, line in enumerate(text.splitlines(), start=1):
        if number > begins and pattern.match(line):
            return number
    return begins or 1


def _place(message: str) -> str:
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    if found is None:
        return f": not TOML: {message}"
    return f":{found[1]}:{found[2]}: not TOML: {message[: found.start()].strip()}"


def _bad(message: str) -> errors.Stalled:
    return errors.Stalled(f"settings: {message}", reason="BadSettings")
