"""Every setting: what it means, its form, and what is said about a wrong value. It is said of the key as it is written there."""

import dataclasses
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from workbenchx import errors
from workbenchx.api import authors

TABLES = ("fixbot",)
LOG_LEVELS = ("debug", "info", "warning", "error")
COLOURS = ("auto", "always", "never")
EMBEDDINGS = ("auto", "wordllama", "off")
STAND_INS = ("local", "kubernetes", "none")


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


class Place(NamedTuple):
    """Where a value was found, and what its key is called there."""

    where: str
    called: str

    def __str__(self) -> str:
        return f"{self.where}: {self.called}"


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


_TYPES: Mapping[str, tuple[type, str]] = {
    "count": (int, "a whole number"),
    "port": (int, "a whole number"),
    "flag": (bool, "true or false"),
    "list": (str, "a list of texts in quotes"),
}


def from_file(name: str, value: Any, place: Place, folder: pathlib.Path) -> Any:
    """A value of wbx.toml, which has types of its own; `folder` is what paths count from.

    Raises:
        errors.Stalled: reason BadSettings, with the place.
    """
    form = KEYS[name].form
    if form == "list" and isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = " ".join(value)
    wanted, right = _TYPES.get(str(form), (str, "a text in quotes"))
    if type(value) is not wanted:
        raise bad(f"{place} must be {right}")
    return checked(name, str(value).lower() if form == "flag" else str(value), place, folder)


def checked(name: str, value: str, place: Place, folder: pathlib.Path) -> Any:
    """The same of a text, as variables and flags have it."""
    form = KEYS[name].form
    if form == "path":
        return (folder / pathlib.Path(value).expanduser()).absolute()
    if form in {"count", "port"}:
        return _number(form, value, place)
    if form == "flag" and value not in {"true", "false"}:
        raise bad(f'{place} is "{value}", must be true or false')
    if isinstance(form, tuple) and value not in form:
        raise bad(f'{place} is "{value}", must be one of {", ".join(form)}')
    if form == "url" and not _URL.fullmatch(value):
        raise bad(f'{place} is "{value}", must be https://HOST/… (http only of this machine)')
    if form in _PEOPLE and not re.search(_PEOPLE[form], value):
        raise bad(f'{place} is "{value}", must be a plain {form}')
    if form == "reference" and not _REFERENCE.fullmatch(value):
        raise bad(f"{place} must be env:NAME or file:PATH; the secret itself is not written down")
    made = _MADE.get(str(form))
    found = made(value) if made else value
    if name == "fixbot_rules":
        _check_rules(found, place)
    return found


def _check_rules(found: Sequence[str], place: Place) -> None:
    from workbenchx.fixbot import rules  # noqa: PLC0415 - few name any

    if unknown := sorted(set(found) - set(rules.BY_NAME)):
        known = ", ".join(rules.BY_NAME)
        raise bad(f'{place}: there is no rule "{unknown[0]}" (rules: {known})')


def _number(form: object, value: str, place: Place) -> int:
    plain = value.isascii() and value.isdigit()
    if form == "count" and not (plain and int(value) > 0):
        raise bad(f'{place} is "{value}", must be a whole number from 1')
    if not (plain and (form == "count" or int(value) < 65536)):
        raise bad(f'{place} is "{value}", must be a whole number up to 65535')
    return int(value)


_MADE: Mapping[str, Callable[[str], Any]] = {
    "flag": lambda value: value == "true",
    "list": lambda value: tuple(value.replace(",", " ").split()),
    "url": lambda value: value.rstrip("/"),
}


def bad(message: str) -> errors.Stalled:
    """Something is wrong with the settings."""
    return errors.Stalled(f"settings: {message}", reason="BadSettings")
