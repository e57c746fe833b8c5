"""How a credential gets to git: by its environment or a private file, never by an argument, a URL or a log."""

import base64
import contextlib
import ipaddress
import os
import pathlib
import shlex
import tempfile
import urllib.parse
from collections.abc import Iterator

from workbenchx import errors, ports
from workbenchx.forge import git

_KEY = "-----BEGIN "
_SAFE = (".svc", ".cluster.local", ".localhost", ".internal")


@contextlib.contextmanager
def environment(
    remote: ports.Remote, transports: str, folder: pathlib.Path
) -> Iterator[dict[str, str]]:
    """Git's environment while it talks to this remote. `folder` keeps the host keys that were met first.

    Raises:
        errors.Stalled: reason SourceRefused: the credential does not suit the URL.
    """
    plain = git.environment(transports)
    if remote.credential is None:
        yield plain
    elif _is_ssh(remote.url):
        with _key(remote, folder) as command:
            yield plain | {"GIT_SSH_COMMAND": command}
    else:
        yield plain | _header(remote.url, remote.credential)


def _is_ssh(url: str) -> bool:
    return "://" not in url or url.startswith("ssh://")


def _header(url: str, credential: str) -> dict[str, str]:
    """A header for this server alone; it is not carried along to where the server sends us."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"https", "http"}:
        raise _unsuitable(url, "a credential is for https:// or ssh://")
    if parts.scheme == "http" and not near(parts.hostname or ""):
        raise _unsuitable(url, "a token is not sent in the clear: the URL must begin with https://")
    token = credential.strip()
    if "\n" in token or token.startswith(_KEY):
        raise _unsuitable(url, "the credential is no token, as an https:// URL needs it")
    pair = token if ":" in token else f"x-access-token:{token}"
    said = base64.b64encode(pair.encode()).decode()
    here = f"http.{parts.scheme}://{parts.netloc}/"
    told = {f"{here}.extraHeader": f"Authorization: Basic {said}", "http.followRedirects": "false"}
    if parts.scheme == "http":
        told[f"{here}.proxy"] = ""  # what is in the clear stays near
    pairs = list(enumerate(told.items()))
    return {
        "GIT_CONFIG_COUNT": str(len(pairs)),
        **{f"GIT_CONFIG_KEY_{at}": name for at, (name, _) in pairs},
        **{f"GIT_CONFIG_VALUE_{at}": value for at, (_, value) in pairs},
    }


def near(host: str) -> bool:
    """Whether what is sent to this host stays on this machine or in this cluster."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return "." not in host or host.endswith(_SAFE)


@contextlib.contextmanager
def _key(remote: ports.Remote, folder: pathlib.Path) -> Iterator[str]:
    """The ssh command with this key alone. Lines after the key are the host keys that count, and no others."""
    credential = remote.credential or ""
    head, end, rest = _split(credential)
    if not end:
        raise _unsuitable(remote.url, "the credential is no private key, as ssh needs it")
    with tempfile.TemporaryDirectory(prefix="wbx-ssh-") as held:
        place = pathlib.Path(held)
        _write(place / "key", head)
        known, check = folder / "known_hosts", "accept-new"
        if rest.strip():
            known, check = place / "known_hosts", "yes"
            _write(known, rest)
        words = [
            "ssh",
            "-oBatchMode=yes",
            "-F/dev/null",
            "-oIdentitiesOnly=yes",
            "-oIdentityAgent=none",
            f"-oUserKnownHostsFile={known}",
            "-oGlobalKnownHostsFile=/dev/null",
            f"-oStrictHostKeyChecking={check}",
            f"-i{place / 'key'}",
        ]
        yield shlex.join(words)


def _split(credential: str) -> tuple[str, bool, str]:
    """The key, whether it is one, and what follows it."""
    lines = credential.replace("\r\n", "\n").strip().split("\n")
    ends = [at for at, line in enumerate(lines) if line.startswith("-----END ")]
    if not ends or not lines[0].startswith(_KEY):
        return "", False, ""
    return "\n".join(lines[: ends[0] + 1]) + "\n", True, "\n".join(lines[ends[0] + 1 :])


def _write(path: pathlib.Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - the descriptor has the mode
        file.write(text.rstrip("\n") + "\n")


def _unsuitable(url: str, why: str) -> errors.Stalled:
    return errors.Stalled(f'repository: "{url}": {why}', reason="SourceRefused")
