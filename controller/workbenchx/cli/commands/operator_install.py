"""`wbx operator install`: the manifests, printed or applied."""

import importlib
import os
import pathlib
import re
from typing import Any

import click

from workbenchx.cli import failure, installing, invocation

_PINNED = re.compile(r"[^@\s=]+@sha256:[0-9a-f]{64}")


@click.command("install", short_help="Install everything into a cluster, or print it.")
@click.option("--dry-run", is_flag=True, help="Print the YAML and change nothing.")
@click.option("--overlay", metavar="NAME", help="dev or supabase (default: the base alone).")
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="[NAME=]IMAGE",
    help="Our image, by digest; with NAME= another one that the manifests name.",
)
@click.option("--kubeconfig", type=click.Path(path_type=pathlib.Path), metavar="PATH")
@click.option(
    "--wait", type=click.FloatRange(min=0), default=300.0, show_default=True, metavar="SECONDS"
)
@click.pass_context
def command(
    context: click.Context,  # noqa: ARG001 - every command takes it
    *,
    dry_run: bool,
    overlay: str | None,
    images: tuple[str, ...],
    kubeconfig: pathlib.Path | None,
    wait: float,
) -> int:
    """By server-side apply, with your kubeconfig; again changes only what differs.

    `--dry-run` prints what `kubectl kustomize manifests/…` makes. Secrets of an installation are yours to make
    (manifests/examples/secrets.yaml); the overlay dev brings its own.
    """
    named = dict(_named(each) for each in images)
    documents = installing.render(overlay, named)
    if dry_run:
        invocation.put(installing.text(documents))
        return 0
    if installing.OWN_IMAGE not in named:
        raise failure.Failure(
            "which image is to run is not said", hint="--image REGISTRY/workbenchx@sha256:…"
        )
    applying = importlib.import_module("workbenchx.cli.applying")
    cluster = applying.Cluster(_access(kubeconfig))
    try:
        _install(applying, cluster, documents, wait)
    finally:
        cluster.close()
    return 0


def _install(
    applying: Any, cluster: Any, documents: list[installing.Document], wait: float
) -> None:
    invocation.tell(f"{len(documents)} objects to {cluster.server}")
    for name, change in applying.apply_all(cluster, documents):
        invocation.say(f"{name} {change}")
    if wait:
        applying.wait(cluster, documents, wait, invocation.say)


def _access(path: pathlib.Path | None) -> Any:
    return importlib.import_module("workbenchx.operator.kubeconfig").load(os.environ, path)


def _named(word: str) -> tuple[str, str]:
    """NAME and image of one --image.

    Raises:
        failure.Failure: it is not pinned.
    """
    name, separator, image = word.partition("=")
    if not separator:
        name, image = installing.OWN_IMAGE, word
    if not _PINNED.fullmatch(image):
        raise failure.Failure(
            f'image "{image}" is not named by its digest', hint="NAME@sha256:<64 hex digits>"
        )
    return name, image
