"""`wbx adopt`: take over an object that exists at a provider."""

import click

from workbenchx.cli import options, ordering


@options.command("adopt")
@options.resource
@click.option("--id", "external_id", required=True, help="The object's id at the provider.")
def command(
    context: click.Context, words: tuple[str, ...], *, namespace: str | None, external_id: str
) -> int:
    """The resource must be declared; instead of making an object, it takes the one that exists."""
    return ordering.order(context, "adopt", words, namespace, {"external_id": external_id})
