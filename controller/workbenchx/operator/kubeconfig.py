"""How to reach the API server: the Pod's service account, or a kubeconfig file.

Read here, and not by the `kubernetes` package, which costs a second and 60 MB to import.
"""

import base64
import dataclasses
import os
import pathlib
import ssl
import tempfile
from collections.abc import Mapping
from typing import Any

import yaml

from workbenchx import errors

ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """One API server and who asks. `token_file` is read again and again: the kubelet renews it."""

    server: str
    tls: ssl.SSLContext
    secret: str | None = dataclasses.field(default=None, repr=False)
    token_file: pathlib.Path | None = None

    @property
    def token(self) -> str | None:
        """The bearer token as it is now; None: the certificate says who asks."""
        if self.token_file is None:
            return self.secret
        try:
            return self.token_file.read_text("utf-8").strip()
        except OSError as error:
            raise _bad(
                f'token file "{self.token_file}" cannot be read ({error.strerror})'
            ) from error


def load(environ: Mapping[str, str], path: pathlib.Path | None = None) -> Access:
    """The file that is named, else `KUBECONFIG`, else the Pod's service account, else `~/.kube/config`.

    Raises:
        errors.Stalled: reason BadSettings; the message says what is missing.
    """
    if path is not None:
        return _from_file(path)
    if environ.get("KUBECONFIG"):
        return _from_file(pathlib.Path(environ["KUBECONFIG"].split(os.pathsep)[0]))
    if inside(environ):
        return _in_cluster(environ)
    return _from_file(pathlib.Path.home() / ".kube" / "config")


def inside(environ: Mapping[str, str]) -> bool:
    """Whether this process runs in a Pod that may speak to its API server."""
    return bool(environ.get("KUBERNETES_SERVICE_HOST")) and (ACCOUNT / "token").exists()


def _in_cluster(environ: Mapping[str, str]) -> Access:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    shown = f"[{host}]" if ":" in host else host
    tls = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    return Access(f"https://{shown}:{port}", tls, token_file=ACCOUNT / "token")


def _from_file(path: pathlib.Path) -> Access:
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _bad(f'"{path}" cannot be read ({" ".join(str(error).split())})') from error
    if not isinstance(document, Mapping):
        raise _bad(f'"{path}" is no kubeconfig file')
    context = _named(document, "contexts", document.get("current-context"), path)
    cluster = _named(document, "clusters", context.get("cluster"), path)
    user = _named(document, "users", context.get("user"), path)
    server = cluster.get("server")
    if not isinstance(server, str) or not server.startswith("https://"):
        raise _bad(f'"{path}": the cluster names no https:// server')
    if "exec" in user or "auth-provider" in user:
        raise _bad(
            f'"{path}": the user signs in by a plugin, which is not run; use a token or a certificate'
        )
    file = user.get("tokenFile")
    token_file = _beside(path, str(file)) if file else None
    return Access(server.rstrip("/"), _tls(path, cluster, user), user.get("token"), token_file)


def _named(
    document: Mapping[str, Any], section: str, name: Any, path: pathlib.Path
) -> Mapping[str, Any]:
    for item in document.get(section) or ():
        if item.get("name") == name:
            found: Mapping[str, Any] = item.get(section.removesuffix("s")) or {}
            return found
    raise _bad(f'"{path}" has nothing called "{name}" in {section}')


def _tls(path: pathlib.Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    if cluster.get("insecure-skip-tls-verify"):
        raise _bad(f'"{path}": the server is not to be verified; name its certificate-authority')
    data, file = cluster.get("certificate-authority-data"), cluster.get("certificate-authority")
    try:
        context = ssl.create_default_context(
            cadata=base64.b64decode(data).decode("ascii") if data else None,
            cafile=str(_beside(path, file)) if file and not data else None,
        )
        _present(context, path, user)
    except (OSError, ValueError) as error:
        raise _bad(f'"{path}": its certificates cannot be used ({error})') from error
    return context


def _present(context: ssl.SSLContext, path: pathlib.Path, user: Mapping[str, Any]) -> None:
    """The client's certificate; what stands in the file itself has to pass through a folder that nobody else reads."""
    with tempfile.TemporaryDirectory(prefix="wbx-tls-") as folder:
        files = {}
        for name in ("client-certificate", "client-key"):
            if user.get(f"{name}-data"):
                files[name] = pathlib.Path(folder) / name
                files[name].write_bytes(base64.b64decode(user[f"{name}-data"]))
            elif user.get(name):
                files[name] = _beside(path, user[name])
        if files:
            context.load_cert_chain(files["client-certificate"], files.get("client-key"))


def _beside(path: pathlib.Path, file: str) -> pathlib.Path:
    """Relative paths of a kubeconfig count from its folder."""
    return path.parent / file


def _bad(message: str) -> errors.Stalled:
    return errors.Stalled(f"kubeconfig: {message}", reason="BadSettings")
