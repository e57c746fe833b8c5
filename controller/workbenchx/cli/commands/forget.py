"""`wbx forget`: stop managing a resource and leave its object alone."""

import click

from workbenchx.cli import options, ordering


@options.command("forget")
@options.resource
@options.as_json
def command(
    context: click.Context, words: tuple[str, ...], *, namespace: str | None, as_json: bool
) -> int:
    """Remove it from the files, too: what is still declared is taken up again."""
    return ordering.order(context, "forget", words, namespace, {}, as_json=as_json)
