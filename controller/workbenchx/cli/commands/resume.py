"""`wbx resume`: end a suspension or a stop; with `--revert`, put drifted fields back."""

import click

from workbenchx.cli import options, ordering


@options.command("resume")
@options.resource
@options.as_json
@click.option("--revert", is_flag=True, help="Put drifted fields back to what is declared.")
def command(
    context: click.Context,
    words: tuple[str, ...],
    *,
    namespace: str | None,
    revert: bool,
    as_json: bool,
) -> int:
    """A suspension that the YAML declares (lifecycle.suspend) ends by a commit, not by this."""
    return ordering.order(
        context, "resume", words, namespace, {"revert": True} if revert else {}, as_json=as_json
    )
