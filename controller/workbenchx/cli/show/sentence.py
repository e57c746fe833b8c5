"""Why a resource is in its state: one sentence out of recorded facts, nothing guessed.

Rows are mappings with the columns of DESIGN §13: the resource, its latest run, what people ordered, its declared row.
"""

import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workbenchx.api import reasons
from workbenchx.cli.show import phrases, table
from workbenchx.planner import model

_ORDER_WORDS = {
    "suspend": "suspended",
    "stop": "stopped",
    "forget": "to be forgotten once it is no longer declared, as ordered",
}
_RESUMABLE = {"Suspended", "Stopped", "Expired", "Drifted"}


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """All that is known about one resource."""

    key: model.Key
    now: datetime.datetime
    row: Mapping[str, Any] | None = None
    declared: Mapping[str, Any] | None = None
    run: Mapping[str, Any] | None = None
    orders: Sequence[Mapping[str, Any]] = ()


def why(facts: Facts) -> str:
    """One sentence, ending in a full stop. Clauses are joined by semicolons, the most telling first."""
    if facts.row is None:
        return _unrecorded(facts)
    clauses = [
        _standing(facts.row),
        *_found_out(facts.row.get("facts") or {}),
        _run(facts),
        *_orders(facts),
        _problem(facts),
        _way_out(facts),
        _followed(facts.row),
    ]
    text = "; ".join(table.safe(clause).rstrip(".;, ") for clause in clauses if clause)
    return f"{facts.key} {text}."


def _unrecorded(facts: Facts) -> str:
    if facts.declared is None:
        return f"{facts.key} is neither declared nor recorded."
    place = _place(facts.declared)
    if facts.declared.get("problem"):
        problem = table.safe(str(facts.declared["problem"])).rstrip(".")
        return f"{facts.key} is not recorded because its document{place} is invalid: {problem}."
    return f"{facts.key} is declared{place} but nothing has reconciled it yet; wbx apply does."


def _standing(row: Mapping[str, Any]) -> str:
    state, reason = str(row["state"]), str(row["reason"])
    message = str(row.get("message") or "")
    if row.get("deleted_at"):
        return f"was deleted at {phrases.moment(row['deleted_at'])}{_because(message)}"
    if row["ready"]:
        known = row.get("facts") or {}
        generic = "" if reason == "Ready" or known.get("best") else _meaning(reason)
        head = "is Ready" if reason in ("Ready", "") else f"is Ready ({reason})"
        return f"{head}{_because(message or generic)}"
    words = state if state == reason else f"{state}, {reason}"
    return f"is not Ready ({words}){_because(message or _meaning(reason))}"


def _because(message: str) -> str:
    return f": {message}" if message else ""


def _meaning(reason: str) -> str:
    """The first sentence of a reason's published meaning."""
    found = next((item for item in reasons.Reason if item.value == reason), None)
    return "" if found is None else _first_sentence(found.meaning)


def _first_sentence(text: str) -> str:
    head = text.split(". ", maxsplit=1)[0].rstrip(".")
    return head[:1].lower() + head[1:]


def _found_out(known: Mapping[str, Any]) -> Iterator[str]:
    """What its runs found out and people ask for first."""
    if best := known.get("best"):
        metric = best.get("metric")
        value = f" with {metric:.4g}" if isinstance(metric, int | float) else ""
        yield f"the best is ExperimentRun/{best.get('name')}{value}"
    for version in known.get("versions") or ():
        run = phrases.short_id(version.get("run_id"))
        yield f"version {version.get('version')} is {version.get('artifact')}" + (
            f" of run {run}" if run else ""
        )
    if known.get("url"):
        yield f"it answers at {known['url']}"
    if known.get("provider"):
        yield f"its provider is {known['provider']}"
    if known.get("expires_at"):
        yield f"its time is over at {known['expires_at']}"
    if known.get("warning"):
        yield str(known["warning"])


def _run(facts: Facts) -> str:
    run = facts.run
    if run is None:
        return ""
    state, name = str(run["state"]), phrases.short_id(str(run["run_id"]))
    attempt = f", attempt {run['attempt']}" if (run.get("attempt") or 1) > 1 else ""
    if state == "queued":
        return f"run {name} was queued {phrases.ago(run.get('created_at'), facts.now)}{attempt}"
    if state == "running":
        return f"run {name} started {phrases.ago(run.get('started_at'), facts.now)}{attempt}"
    took = phrases.lasted(run.get("started_at"), run.get("ended_at"), facts.now)
    lasting = f" after {took}" if took else ""
    code = run.get("exit_code")
    exit_ = f" with exit code {code}" if code else ""
    ended = phrases.ago(run.get("ended_at"), facts.now)
    word = state.replace("_", " ")
    return f"run {name} {word} {ended}{lasting}{exit_}{attempt}".replace("  ", " ")


def _orders(facts: Facts) -> list[str]:
    return [
        f"{_ORDER_WORDS[order['verb']]} by {order.get('actor') or 'somebody'} "
        f"{phrases.ago(order.get('at'), facts.now)}"
        for order in facts.orders
        if order["verb"] in _ORDER_WORDS
    ]


def _problem(facts: Facts) -> str:
    declared = facts.declared
    if declared is None or not declared.get("problem"):
        return ""
    return (
        f"its document{_place(declared)} is invalid ({declared['problem']}), "
        "so its last good version stays in force"
    )


def _place(declared: Mapping[str, Any]) -> str:
    path, line = declared.get("source_path"), declared.get("source_line")
    if not path:
        return ""
    return f" at {path}:{line}" if line else f" at {path}"


def _followed(row: Mapping[str, Any]) -> str:
    """Where it is declared, if that is in a repository that is followed."""
    repo, commit = row.get("source_repo"), str(row.get("source_commit") or "")
    if not repo or row.get("deleted_at"):
        return ""
    place = f"{row.get('source_path')}:{row.get('source_line')}"
    return f"declared at {place} of {repo} since commit {commit[:12]}"


def _way_out(facts: Facts) -> str:
    row = facts.row or {}
    if row["ready"] or row.get("deleted_at") or "wbx " in str(row.get("message")):
        return ""
    reason = str(row["reason"])
    if reason == "Held":
        return "wbx confirm shows what goes, and the token"
    if reason == "Drifted":
        return f"adopt it by a commit, or wbx resume --revert {facts.key} reverts it"
    if reason in _RESUMABLE:
        return f"wbx resume {facts.key} lets it go on"
    run = facts.run
    if run and str(run["state"]) in ("failed", "timed_out", "lost"):
        return f"wbx logs {phrases.short_id(str(run['run_id']))} shows its output"
    return ""
