"""An object at a provider that has our tag and that no row explains: name it in spec.retire of its provider."""

from collections.abc import Iterator, Mapping
from typing import Any

from workbenchx.api import identity
from workbenchx.fixbot import findings, scenes
from workbenchx.planner import model, strays
from workbenchx.planner.render import words

NAME = "retire-orphan"
TOGETHER = "retire {} objects that nothing explains"
_FIELD = ("spec", "retire")


def find(scene: scenes.Scene) -> Iterator[findings.Finding]:
    """Every stray of an adapter that a provider object of the files has, unless it is to be removed already."""
    providers = _providers(scene)
    for stray in sorted(scene.world.strays, key=lambda each: (each.provider, each.external_id)):
        key = providers.get(stray.provider)
        spec = scene.spec(key) if key else None
        if key and spec is not None and stray.external_id not in (spec.get("retire") or ()):
            yield _finding(key, spec, stray)


def _finding(key: identity.Key, spec: Mapping[str, Any], stray: model.Stray) -> findings.Finding:
    rate = strays.rate(stray, spec)
    price = "an amount that is not known" if rate is None else f"{words.rate(rate)} USD an hour"
    what = f"a {stray.kind}" if stray.kind else "something"
    return findings.Finding(
        rule=NAME,
        key=key,
        field=f"spec.retire[{stray.external_id}]",
        observed=stray.external_id,
        desired="removed",
        cause=f'The object "{stray.external_id}" has our tag as {what}, no row explains it, and it costs {price}.',
        remedy="Let it be removed. What it holds is lost.",
        edits=(findings.Edit(key, findings.Change.APPEND, _FIELD, stray.external_id),),
        instead="If somebody needs it, take our tag off it at the provider.",
    )


def _providers(scene: scenes.Scene) -> dict[str, identity.Key]:
    """The provider object of each adapter; the default one where there are several."""
    found: dict[str, identity.Key] = {}
    for key, written in sorted(scene.documents.items()):
        adapter = str(written.spec.get("adapter"))
        if key.kind == "SandboxProvider" and (
            adapter not in found or written.spec.get("default") is True
        ):
            found[adapter] = key
    return found
