"""ModelDeployment: an alias of the gateway, with its revisions and their weights as facts. Nothing is made at a provider.

A revision is what answers: provider, model, version, parameters. `facts.serving` lists them, the newest first, with
the share of requests that each gets; the gateway reads it. Going back to an older commit is going back to its revision.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx.api import canonical, reasons, states
from workbenchx.planner import draft, gates, model, returning, spelling, subjects, verdicts

_KEPT = 5
_FREE = "local_llm"


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Write the row; say what is served under the alias. What cannot be served anew leaves what was."""
    writing.record(subject)
    if _stopped(writing, subject):
        facts = {"stopped": True, "serving": []}
        message = "a person stopped it; the order start serves it again"
        return verdicts.of(
            subject.key, states.State.STOPPED, reasons.Reason.STOPPED, message, facts=facts
        )
    found = _revision(writing, subject)
    if isinstance(found, verdicts.Refusal):
        writing.wait(subject.key, found)
        return verdicts.refused(subject.key, found)
    revision, adapter = found
    serving = _shares(subject, revision)
    _goes_over(writing, subject, revision)
    if _goes_back(writing, subject):
        return _held(writing, subject, revision, serving)
    facts = {"stopped": False, "revision": revision["revision"], "serving": serving}
    told = f'served as "{alias_of(subject)}" by {adapter}'
    verdict = verdicts.ready(subject.key, told + _canary(serving), facts)
    unwell = _unwell(writing, subject, serving)
    if unwell:
        writing.wait(subject.key, unwell)
        verdict = verdicts.refused(subject.key, unwell, state=states.State.ACTIVE, facts=facts)
    return returning.remembering(writing, subject, verdict)


def _goes_back(writing: draft.Draft, subject: subjects.Subject) -> bool:
    """Whether the newest revision failed, and it is proposed to go back from it."""
    well = subject.recorded is None or subject.recorded.ready
    return not well and returning.held(writing, subject)


def _held(
    writing: draft.Draft,
    subject: subjects.Subject,
    revision: Mapping[str, Any],
    serving: Sequence[Mapping[str, Any]],
) -> model.Verdict:
    """It gets no requests, and is asked no paid questions; what had them before has them all."""
    older = [each for each in serving if each["revision"] != revision["revision"]]
    stable = next((each for each in older if each["stable"]), next(iter(older), None))
    shares = [
        {**each, "weight": 100 if each is stable else 0, "stable": each is stable}
        for each in serving
    ]
    facts = {"stopped": False, "revision": revision["revision"], "serving": shares}
    found = returning.verdict(writing, subject)
    return dataclasses.replace(found, facts={**found.facts, **facts})


def alias_of(subject: subjects.Subject) -> str:
    """The name that callers use."""
    return str(subject.spec.get("alias") or subject.key.name)


def _stopped(writing: draft.Draft, subject: subjects.Subject) -> bool:
    order = writing.people.running(subject.key)
    if order is None:
        return subject.facts.get("stopped") is True
    writing.consume(order)
    return order.verb == "stop"


def _revision(
    writing: draft.Draft, subject: subjects.Subject
) -> tuple[dict[str, Any], str] | verdicts.Refusal:
    """What answers from now on, and by whom, for people."""
    refusal = (
        gates.missing(writing, subject)
        or gates.waiting(writing, subject)
        or _taken(writing, subject)
    )
    version = refusal or _version(writing, subject)
    if isinstance(version, verdicts.Refusal):
        return version
    provider = _provider(writing, subject)
    if isinstance(provider, verdicts.Refusal):
        return provider
    if subject.spec.get("scale"):
        message = (
            f'spec.scale: the adapter "{provider.spec.get("adapter")}" has no endpoints that could be made more or fewer;'
            " leave the field out (a vendor's own models grow by themselves), or scale a server of your own where it runs"
            " and name it by settings.baseUrl of an InferenceProvider"
        )
        return verdicts.Refusal(reasons.Reason.INVALID_SPEC, message)
    params = dict(subject.spec.get("params") or {})
    said: dict[str, Any] = {"provider": provider.key.name, "params": params, **version}
    stand_in = _FREE if writing.index.policy.stand_in else None
    adapter = str(provider.spec.get("adapter") or "")
    return {"revision": canonical.digest(said)[:12], **said}, spelling.provider(adapter, stand_in)


def _taken(writing: draft.Draft, subject: subjects.Subject) -> verdicts.Refusal | None:
    """Of two with one alias in a project the first by name has it."""
    first = writing.index.aliases.get((subject.project, alias_of(subject)), subject.key)
    if first == subject.key:
        return None
    message = f'spec.alias: "{alias_of(subject)}" is the alias of {first}, in the same project'
    return verdicts.Refusal(reasons.Reason.CONFLICT, message)


def _version(writing: draft.Draft, subject: subjects.Subject) -> dict[str, Any] | verdicts.Refusal:
    """The version of the Model: the one that is named, else the last one."""
    name = str(subject.spec.get("model"))
    key = model.Key("Model", subject.key.namespace, name)
    known = writing.outputs.get(key) or {}
    wanted = subject.spec.get("version") or next(iter(list(known)[::-1]), None)
    if wanted not in known:
        declared = {str(each.get("version")) for each in _versions(writing, key)}
        if wanted is None or str(wanted) in declared:
            message = f"spec.version: {key} has no version yet that is known by its sha256"
            return verdicts.Refusal(reasons.Reason.WAITING_FOR_RUN, message)
        message = f'spec.version: {key} has no version "{wanted}"'
        return verdicts.Refusal(reasons.Reason.REFERENCE_MISSING, message)
    return {"model": name, "version": str(wanted), "sha256": known[str(wanted)]}


def _versions(writing: draft.Draft, key: model.Key) -> Sequence[Mapping[str, Any]]:
    return writing.index.resources[key].spec.get("versions") or ()


def _provider(
    writing: draft.Draft, subject: subjects.Subject
) -> subjects.Subject | verdicts.Refusal:
    """Who answers; a price for it must be known, unless it runs here."""
    key = writing.index.provider_key(
        "InferenceProvider", subject.project, subject.spec.get("provider")
    )
    if key is None or not writing.in_force(key):
        told = f"{key} is not declared" if key else "none is named and none is the default one"
        return verdicts.Refusal(reasons.Reason.PROVIDER_MISSING, f"InferenceProvider: {told}")
    provider = writing.index.resources[key]
    names = {str(subject.spec.get("model")), str((subject.spec.get("params") or {}).get("model"))}
    if writing.index.policy.stand_in or _priced(provider, names):
        return provider
    message = (
        f"spec.prices of {key} has no price of million-input-tokens and million-output-tokens,"
        " or of a request, for this model"
    )
    return verdicts.Refusal(reasons.Reason.PRICE_MISSING, message)


def _priced(provider: subjects.Subject, names: set[str]) -> bool:
    """Prices without a name are for every model; one with a name is for that model, by our name or the provider's id."""
    ids = (provider.spec.get("settings") or {}).get("models") or {}
    names = names | {str(ids[name]) for name in names if name in ids}
    units = {
        price.get("unit")
        for price in provider.spec.get("prices") or ()
        if price.get("name") is None or price.get("name") in names
    }
    return "request" in units or {"million-input-tokens", "million-output-tokens"} <= units


def _shares(subject: subjects.Subject, revision: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The revisions with their weights. A canary shares with what had everything before; alone it has everything."""
    known = [dict(each) for each in subject.facts.get("serving") or () if isinstance(each, Mapping)]
    older = [each for each in known if each.get("revision") != revision["revision"]]
    canary = subject.spec.get("canaryPercent")
    stable = next((each for each in older if each.get("stable")), None)
    if canary is None or canary >= 100 or stable is None:
        first = {**revision, "weight": 100, "stable": True}
        rest = [{**each, "weight": 0, "stable": False} for each in older]
    else:
        first = {**revision, "weight": canary, "stable": False}
        rest = [
            {**each, "weight": 100 - canary if each is stable else 0, "stable": each is stable}
            for each in older
        ]
    kept = [each for each in rest if each["stable"]] + [each for each in rest if not each["stable"]]
    return [first, *kept[: _KEPT - 1]]


def _goes_over(
    writing: draft.Draft, subject: subjects.Subject, revision: Mapping[str, Any]
) -> None:
    """An alias that another provider answers moves nothing: the report says who answers from now on, and who did."""
    if writing.index.policy.stand_in:
        return
    known = [each for each in subject.facts.get("serving") or () if isinstance(each, Mapping)]
    before = next((each.get("provider") for each in known if each.get("stable")), None)
    answers = {each.get("revision") for each in known if each.get("weight")}
    if before and before != revision["provider"] and revision["revision"] not in answers:
        message = (
            f'"{alias_of(subject)}" is answered by InferenceProvider/{revision["provider"]} from now on,'
            f" it was by InferenceProvider/{before}; callers keep the alias"
        )
        writing.wait(subject.key, verdicts.Refusal("GoesOver", message))


def _unwell(
    writing: draft.Draft, subject: subjects.Subject, serving: Sequence[Mapping[str, Any]]
) -> verdicts.Refusal | None:
    """A revision with a share that does not pass its probe, and which one answers in its place."""
    if subject.spec.get("probe") is None:
        return None
    uid = subject.recorded.uid if subject.recorded else ""
    known = {
        each["revision"]: writing.index.world.probes.get((uid, each["revision"]))
        for each in serving
    }
    for each in serving:
        found = known[each["revision"]]
        if not each["weight"] or found == "":
            continue
        why = found or "no gateway has asked it yet (wbx gateway does; embedded, wbx console)"
        passing = [name for name, one in known.items() if one == ""]
        instead = f"; {passing[0]} answers in its place" if passing else ""
        message = f"spec.probe: revision {each['revision']} gets no requests: {why}{instead}"
        return verdicts.Refusal(reasons.Reason.UNHEALTHY, message)
    return None


def _canary(serving: Sequence[Mapping[str, Any]]) -> str:
    first = serving[0]
    if first["stable"]:
        return ""
    return f"; {first['weight']} % of the requests go to revision {first['revision']}"
