"""`wbx adopt`: take over an object that exists at a provider."""

import click

from workbenchx.cli import options, ordering


@options.command("adopt")
@options.resource
@options.as_json
def command(
    context: click.Context, words: tuple[str, ...], *, namespace: str | None, as_json: bool
) -> int:
    """For a declared resource whose object was found at the provider and is not ours: wbx why says so."""
    return ordering.order(context, "adopt", words, namespace, {}, as_json=as_json)
