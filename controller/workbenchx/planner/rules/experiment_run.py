"""ExperimentRun: one parameter set of an Experiment, declared by hand. What it executes is its Experiment's."""

from collections.abc import Mapping
from typing import Any

from workbenchx.planner import (
    draft,
    errands,
    executions,
    gates,
    inputs,
    model,
    subjects,
    verdicts,
)
from workbenchx.planner.rules import runner_job


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Write the row and execute it once."""
    parent = model.Key("Experiment", subject.key.namespace, str(subject.spec.get("experiment")))
    experiment = writing.index.resources.get(parent)
    if experiment is not None and subject.project is None:
        subject.project = experiment.project
    writing.record(subject)
    gate = gates.missing(writing, subject)
    if gate or experiment is None:
        refusal = gate or verdicts.Refusal("ReferenceMissing", f"{parent} is not declared")
        writing.wait(subject.key, refusal)
        return verdicts.refused(subject.key, refusal)
    errand = _errand(writing, subject, experiment)
    verdict = errands.pursue(writing, errand)
    return runner_job.broken(writing, _executed(subject, experiment), verdict) or verdict


def _executed(subject: subjects.Subject, experiment: subjects.Subject) -> subjects.Subject:
    """The run as something that stands where its Experiment stands."""
    return subjects.Subject(
        key=subject.key,
        phase=subject.phase,
        project=experiment.project,
        spec=experiment.spec,
        hash=subject.hash,
        declared=subject.declared,
        recorded=subject.recorded,
        lifecycle=subject.lifecycle,
        references=subject.references,
    )


def _errand(
    writing: draft.Draft, subject: subjects.Subject, experiment: subjects.Subject
) -> errands.Errand:
    spec: Mapping[str, Any] = experiment.spec
    params = dict(subject.spec.get("params") or {})
    return errands.Errand(
        key=subject.key,
        owner=experiment,
        track=writing.track(subject),
        spec=spec,
        hash=executions.hash_of(spec, params=params),
        params=params,
        experiment=experiment.key.name,
        gate=gates.missing(writing, experiment)
        or gates.waiting(writing, subject)
        or gates.waiting(writing, experiment),
        rerun=writing.people.rerun(subject.key),
        resolve=lambda: inputs.resolve(writing, experiment.key.namespace, experiment.project, spec),
    )
