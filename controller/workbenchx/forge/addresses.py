"""Addresses of repositories: one repository has several, by https, by ssh, with and without `.git`. Pure."""

import dataclasses
import re
from urllib import parse

_SCP = re.compile(r"^(?:[^@/\s]+@)?(?P<host>[^:/\s]+):(?P<path>[^/\s].*)$")


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """A repository at a forge: what every one of its URLs leads to. `origin` is that of an http(s) URL, else None."""

    host: str
    owner: str
    name: str
    origin: str | None = None

    @property
    def key(self) -> str:
        """Host and path, in small letters: forges make no difference. A port is not part of it: ssh has another one."""
        return f"{self.host}/{self.owner}/{self.name}".lower()


def parsed(url: str) -> Address | None:
    """The address that a URL of a repository names; None: no repository of a forge."""
    found = _SCP.match(url) if "://" not in url else None
    if found is not None:
        return _address(found["host"], found["path"], None)
    try:
        parts = parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https", "ssh", "git"} or not host:
        return None
    web = parts.scheme in {"http", "https"}
    where = f"[{host}]" if ":" in host else host
    origin = f"{parts.scheme}://{where}{f':{port}' if port else ''}" if web else None
    return _address(host, parts.path, origin)


def key(url: str) -> str | None:
    """As `Address.key`; None: no repository of a forge."""
    found = parsed(url)
    return found.key if found else None


def _address(host: str, path: str, origin: str | None) -> Address | None:
    parts = path.strip("/").removesuffix(".git").split("/")
    if len(parts) < 2 or not all(parts):
        return None
    # A forge below a path has more parts than two: those in front belong to its own address.
    return Address(host.lower(), "/".join(parts[:-1]), parts[-1], origin)
