"""`wbx forget`: stop managing a resource and leave its object alone."""

import click

from workbenchx.cli import options, ordering


@options.command("forget")
@options.resource
@options.as_json
def command(
    context: click.Context, words: tuple[str, ...], *, namespace: str | None, as_json: bool
) -> int:
    """It takes effect once the files no longer declare it: the row goes, the object at the provider stays."""
    return ordering.order(context, "forget", words, namespace, {}, as_json=as_json)
