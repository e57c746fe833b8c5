"""`wbx adopt`: take over an object that exists at a provider."""

import click

from workbenchx.cli import options, ordering


@options.command("adopt")
@options.resource
@options.as_json
@click.option("--id", "external_id", required=True, help="The object's id at the provider.")
def command(
    context: click.Context,
    words: tuple[str, ...],
    *,
    namespace: str | None,
    external_id: str,
    as_json: bool,
) -> int:
    """The resource must be declared; instead of making an object, it takes the one that exists."""
    return ordering.order(
        context, "adopt", words, namespace, {"external_id": external_id}, as_json=as_json
    )
