"""Check runs: what a GitHub App says of a commit, with annotations on lines, fifty at a time.

GitHub only ever adds annotations to a check run. So a report with another `external_id` is a new run of the same name,
which hides the older one, unless that one is in progress and has none yet: it goes on as the same run. A report that was cut
off goes on where it stopped.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx import ports
from workbenchx.forge import calls, github_app, rest

BATCH = 50
_TEXT_BYTES, _MESSAGE_LETTERS, _TITLE_LETTERS = 65_000, 16_000, 255
_PAGE = ("per_page", 100)
_CUT = "\n\n_Cut: it is longer than GitHub takes._"


class Checks:
    """Of one repository, by one App."""

    def __init__(self, asked: calls.Calls, name: rest.Name, app: github_app.Installed) -> None:
        self._calls = asked
        self._path = f"{name.path}/check-runs"
        self._commits = f"{name.path}/commits"
        self._app = app

    async def report(self, report: ports.Report) -> None:
        """See ports.Forge.report. A crash between two batches is made good by the same report again."""
        said, notes = _said(report), [_note(each) for each in report.annotations]
        stands = await self._newest(report)
        if stands is None:
            stands = await self._calls.need("POST", self._path, _with(said, notes[:BATCH]))
            sent = min(BATCH, len(notes))
        else:
            sent = int(stands["output"]["annotations_count"])
            if _same(stands, said) and sent >= len(notes):
                return
            said.pop("head_sha")
            more = notes[sent : sent + BATCH]
            await self._calls.need("PATCH", f"{self._path}/{stands['id']}", _with(said, more))
            sent += len(more)
        said.pop("head_sha", None)
        for start in range(sent, len(notes), BATCH):
            more = notes[start : start + BATCH]
            await self._calls.need("PATCH", f"{self._path}/{stands['id']}", _with(said, more))

    async def _newest(self, report: ports.Report) -> Mapping[str, Any] | None:
        """Our newest run of that name, if it tells of the same or may still tell of anything."""
        asked = {
            "check_name": report.context,
            "filter": "latest",
            "app_id": await self._app.number(),
        }
        path = f"{self._commits}/{report.commit}/check-runs"
        pages = self._calls.pages(path, asked, size=_PAGE, key="check_runs")
        found = [each async for each in pages]
        newest = max(found, key=lambda each: int(each["id"]), default=None)
        if newest is None or not (newest["external_id"] == _about(report) or _begun(newest)):
            return None
        return dict(newest)


def _about(report: ports.Report) -> str:
    """What the report tells of: where nobody says, it is what it says."""
    if report.external_id:
        return report.external_id
    notes = [
        (each.path, each.line, each.level, each.title, each.message) for each in report.annotations
    ]
    told = (report.verdict.value, report.title, report.summary, report.url, notes)
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _said(report: ports.Report) -> dict[str, Any]:
    pending = report.verdict is ports.Verdict.PENDING
    said: dict[str, Any] = {
        "name": report.context,
        "head_sha": report.commit,
        "external_id": _about(report),
        "status": "in_progress" if pending else "completed",
        "output": {
            "title": rest.short(report.title),
            "summary": _cut(report.summary or report.title),
        },
    }
    if not pending:
        good = report.verdict is ports.Verdict.SUCCESS
        said["conclusion"] = "success" if good else "failure"
    return said | ({"details_url": report.url} if report.url else {})


def _with(said: Mapping[str, Any], notes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {**said, "output": {**said["output"], "annotations": list(notes)}}


def _begun(stands: Mapping[str, Any]) -> bool:
    """Whether it says nothing yet that would have to be taken back."""
    return stands["status"] != "completed" and not stands["output"]["annotations_count"]


def _same(stands: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    output = stands["output"]
    return (
        stands["external_id"] == said["external_id"]
        and stands["status"] == said["status"]
        and stands["conclusion"] == said.get("conclusion")
        and output["title"] == said["output"]["title"]
        and rest.same(output["summary"], said["output"]["summary"])
    )


def _note(each: ports.Annotation) -> dict[str, Any]:
    said = {
        "path": each.path,
        "start_line": each.line,
        "end_line": each.line,
        "annotation_level": each.level,
        "message": each.message[:_MESSAGE_LETTERS],
    }
    return said | ({"title": each.title[:_TITLE_LETTERS]} if each.title else {})


def _cut(text: str) -> str:
    """Within the limit of GitHub, in bytes."""
    data = text.encode()
    if len(data) <= _TEXT_BYTES:
        return text
    return data[:_TEXT_BYTES].decode(errors="ignore") + _CUT
