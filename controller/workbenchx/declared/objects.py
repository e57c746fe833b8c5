"""One object of the API server, checked by the rules that files are checked by."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from workbenchx.api import canonical, moves
from workbenchx.declared import placing, problem, validating

_ERROR = problem.Severity.ERROR.value


class Object(NamedTuple):
    """What an object declares. `problem` set: it is invalid, and `spec` is empty."""

    spec: Mapping[str, Any]
    project: str | None
    hash: str
    problem: str | None = None


def read(body: Mapping[str, Any]) -> Object:
    """Check an object. What only an API server sets is not looked at, and neither are labels and annotations."""
    metadata = {
        name: body["metadata"][name] for name in ("name", "namespace") if name in body["metadata"]
    }
    spec = body.get("spec")
    bare = {**{name: body[name] for name in ("apiVersion", "kind")}, "metadata": metadata}
    bare |= {"spec": spec} if spec is not None else {}
    project = spec.get("project") if isinstance(spec, Mapping) else None
    project = project if isinstance(project, str) else None
    if validating.valid(bare) and isinstance(spec, Mapping):
        flaws = list(validating.secret_flaws(spec, project))
    else:
        places = placing.Places("", json.dumps(bare).encode())
        flaws = validating.flaws(bare, places, 0)
    wrong = [flaw for flaw in flaws if flaw.severity == _ERROR]
    if wrong or not isinstance(spec, Mapping):
        return Object({}, project, "", _told(wrong))
    spec = moves.current(body["kind"], dict(spec))
    return Object(spec, project, canonical.digest(spec))


def _told(flaws: list[problem.Flaw]) -> str:
    first = flaws[0]
    more = f" (and {len(flaws) - 1} more)" if len(flaws) > 1 else ""
    place = problem.Problem(
        "", 0, 0, "", problem.dotted(first.path), first.text, first.hint, first.severity
    )
    return place.message + more
