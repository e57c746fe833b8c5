"""Who may be told our credentials for a registry: the challenge that it sends, and the token server named there. Pure."""

import ipaddress
import re
import urllib.parse
from collections.abc import Iterable
from typing import NamedTuple

_SCHEME = re.compile(r"^\s*(\w+)\s*(.*)$", re.DOTALL)
_PART = re.compile(r'(\w+)="([^"]*)"')
_SHORT = 3


class Challenge(NamedTuple):
    """What a registry wants to see: `bearer` with a token of `realm`, or `basic`."""

    scheme: str
    realm: str
    service: str


def challenge(headers: Iterable[str]) -> Challenge | None:
    """The first challenge that we can answer; None: there is none."""
    for header in headers:
        found = _SCHEME.match(header)
        scheme = found[1].lower() if found else ""
        parts = dict(_PART.findall(found[2])) if found else {}
        if scheme == "bearer" and parts.get("realm"):
            return Challenge(scheme, parts["realm"], parts.get("service", ""))
        if scheme == "basic":
            return Challenge(scheme, parts.get("realm", ""), "")
    return None


def trusted(realm: str, registry: str, others: frozenset[str] = frozenset()) -> bool:
    """Whether a token server may be asked, and told who we are: over TLS, at the registry's host or in its domain.

    `others`: hosts that somebody allowed besides. Without TLS only on this machine, for a registry of this machine.
    """
    try:
        url = urllib.parse.urlsplit(realm)
        host = (url.hostname or "").lower()
    except ValueError:
        return False
    if not host or url.username is not None:
        return False
    own = _host(registry)
    if url.scheme == "http":
        return local(host) and local(own)
    return url.scheme == "https" and (host == own or host in others or _of_domain(host, own))


def local(host: str) -> bool:
    """Whether a host is this machine itself."""
    return _host(host) in {"127.0.0.1", "localhost", "::1"}


def public_name(host: str) -> bool:
    """Whether a host is a name with a domain: no address, nothing of this machine or network alone."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host.strip(".") and not host.endswith((".local", ".internal", ".localhost"))
    return False


def _host(registry: str) -> str:
    return (urllib.parse.urlsplit(f"//{registry}").hostname or "").lower()


def _of_domain(host: str, own: str) -> bool:
    """Whether both are below one domain that one owner has: the registry's without its first label.

    That is two labels at least, and not two short ones, which are many owners' (`co.uk`).
    """
    labels = own.split(".")[1:]
    if len(labels) < 2 or not public_name(own) or max(map(len, labels[-2:])) <= _SHORT:
        return False
    domain = ".".join(labels)
    return host == domain or host.endswith(f".{domain}")
