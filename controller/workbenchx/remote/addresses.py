"""Where an API is: a URL that a token may travel to."""

import ipaddress
import re
import urllib.parse

from workbenchx import errors

_ROOT = re.compile(r"/api/v1/?$")


def base(url: str) -> str:
    """The address without what follows it: no slash at the end, no `/api/v1`.

    Raises:
        errors.Stalled: reason BadSettings: it is no address, holds a secret, or is not encrypted.
    """
    parts = _split(url, "WBX_API_URL")
    path = _ROOT.sub("", parts.path).rstrip("/")
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.lower(), path, "", ""))


def checked(url: str, what: str) -> str:
    """The address of something else, as the API told it, if it is safe to talk to.

    Raises:
        errors.Stalled: as `base`.
    """
    _split(url, what)
    return url


def host(url: str) -> str:
    """Scheme and host: what may be told to people whatever the rest holds."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}" + (f":{parts.port}" if parts.port else "")


def _split(url: str, what: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url.strip())
        found, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _bad(what, "is not an address") from error
    if parts.scheme not in {"http", "https"} or not found:
        raise _bad(what, "must begin with https://")
    if parts.username is not None or parts.password is not None:
        raise _bad(what, "must not hold a name or password; wbx login signs in")
    if parts.scheme == "http" and not loopback(found):
        raise _bad(what, f'must begin with https://, since "{found}" is not this machine')
    return parts


def loopback(name: str) -> bool:
    """Whether a host is surely this machine."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _bad(what: str, told: str) -> errors.Stalled:
    return errors.Stalled(f"settings: {what} {told}", reason="BadSettings")
