"""One order of a person about one resource: record it, make it so, say why the resource is as it is now."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from workbenchx.cli import explaining, failure, invocation, records, waiting

if TYPE_CHECKING:
    from workbenchx import ports


def order(
    context: click.Context,
    verb: str,
    words: Sequence[str],
    namespace: str | None,
    args: Mapping[str, Any],
    *,
    as_json: bool,
) -> int:
    """Exit code 0 once the order is in force; the sentence of `wbx why` is the answer."""
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        key = await records.find(access, words, namespace)
        if verb == "adopt" and (await access.reads.resource(key))["owned"]:
            raise failure.Failure(
                f"there is nothing to adopt: {key} is managed already", hint=f"wbx why {key}"
            )
        await access.intervene(verb, key, dict(args))
        await waiting.until_applied(access, chosen, [key])
        facts = await records.facts_after(access, key)
        explaining.say(facts, as_json=as_json)
        return 0

    return invocation.with_access(chosen, work)
