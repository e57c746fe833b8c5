"""Small sets of files for the tests of declared/."""

import textwrap
from collections.abc import Mapping

from workbenchx.declared import problem, validate

IMAGE = "registry.example.org/python:3.12@sha256:" + "ab" * 32


def project(name: str = "churn", extra: str = "") -> str:
    """A Project."""
    return document("Project", name, "", extra or "{}")


def runtime(name: str = "python") -> str:
    """A Runtime that is approved."""
    return document("Runtime", name, "", f"image: {IMAGE}\napproved: true")


def document(kind: str, name: str, namespace: str, spec: str) -> str:
    """A document; its spec is given as YAML."""
    scope = f"  namespace: {namespace}\n" if namespace else ""
    body = textwrap.indent(textwrap.dedent(spec).strip(), "  ")
    spec_text = f"spec:\n{body}\n" if body.strip() != "{}" else "spec: {}\n"
    head = f"apiVersion: workbenchx.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n"
    return head + scope + spec_text


def job(
    name: str = "ingest", spec: str = "", namespace: str = "churn", project: str = "churn"
) -> str:
    """A RunnerJob with everything that it needs."""
    needed = f"project: {project}\nruntime: python\ncommand: [python, run.py]\n"
    return document("RunnerJob", name, namespace, needed + textwrap.dedent(spec))


def report(files: Mapping[str, str], **options: object) -> validate.Report:
    """The report about a set of texts."""
    encoded = {path: text.encode() for path, text in files.items()}
    return validate.check(encoded, **options)  # type: ignore[arg-type] # tests hand through what check takes


def lines(found: validate.Report) -> list[str]:
    """Everything that a report says, as people see it."""
    return [str(item) for item in (*found.problems, *found.notices)]


def errors(found: validate.Report) -> list[problem.Problem]:
    """The errors of a report."""
    return [item for item in found.problems if item.severity == problem.Severity.ERROR]


GROUND = {"project.yaml": project(), "runtime.yaml": runtime()}
"""What a job refers to."""
