"""What FixBot looks at: the files of one source, and the world that they are in force in."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from workbenchx.api import identity, references, registry
from workbenchx.declared import document, parsing, validate
from workbenchx.fixbot import asked
from workbenchx.planner import model, plan


class Written(NamedTuple):
    """A document as it stands in its file, valid or not."""

    path: str
    line: int
    body: Mapping[str, Any]

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its spec; {} where that is no mapping."""
        spec = self.body.get("spec")
        return spec if isinstance(spec, Mapping) else {}


@dataclasses.dataclass(frozen=True)
class Scene:
    """One look. `world` is what the files are in force in; `source` names their source in it.

    `digests`: image without digest → what its tag names now, None: no such tag; an image that is missing there is unknown,
    and unknown opens and closes nothing. `good`: the spec of the last version that was Ready, where a failed resource has
    another one now. `namespace`: only documents of this one count, where a Source may apply no others; None: all.
    `scripts`: texts beside the declared files that commands name, by path (b"": looked for, and not there); `answers`: what models were asked about failed
    runs, by resource.
    """

    files: Mapping[str, bytes]
    world: model.World
    source: str = "embedded"
    digests: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    good: Mapping[identity.Key, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    namespace: str | None = None
    scripts: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    answers: Mapping[identity.Key, asked.Answer] = dataclasses.field(default_factory=dict)

    @property
    def texts(self) -> Mapping[str, bytes]:
        """Everything that a change may be made of, by path."""
        return {**self.scripts, **self.files}

    @functools.cached_property
    def plan(self) -> model.Plan:
        """What would happen now."""
        return plan.plan(self.world)

    @functools.cached_property
    def documents(self) -> Mapping[identity.Key, Written]:
        """Every document of ours in the files by its identity; of two with one identity the first.

        What another source declares is not in it, whatever the files say: nobody learns or changes it through this one.
        """
        found: dict[identity.Key, Written] = {}
        for path in sorted(self.files):
            for raw in parsing.read(self.files[path]).documents:
                key = key_of(raw.body)
                if key is not None and self._ours(key):
                    found.setdefault(key, Written(path, raw.line, raw.body))
        return found

    @functools.cached_property
    def recorded(self) -> Mapping[identity.Key, model.Recorded]:
        """The living rows."""
        return {row.key: row for row in self.world.recorded}

    @functools.cached_property
    def declared(self) -> Mapping[identity.Key, model.Declared]:
        """The declared rows."""
        return {row.key: row for row in self.world.declared}

    def spec(self, key: identity.Key) -> Mapping[str, Any] | None:
        """The declared spec in force; None: it is not declared, or refused with nothing good before it."""
        row = self.declared.get(key)
        if row is None:
            return None
        recorded = self.recorded.get(key)
        return recorded.spec if row.problem and recorded else row.spec

    def failing(self, reasons: Iterable[str]) -> list[tuple[model.Recorded, Written]]:
        """Rows that are not Ready for one of these reasons in the version that the files declare, by key."""
        wanted = frozenset(reasons)
        return [
            (row, self.documents[key])
            for key, row in sorted(self.recorded.items())
            if not row.ready and row.reason in wanted and self._stands(key, row)
        ]

    def project_of(self, key: identity.Key) -> str | None:
        """Whose FixBot settings count: None for what is cluster-scoped."""
        if not key.namespace:
            return None
        written = self.documents.get(key)
        said = written.spec.get("project") if written else None
        row = self.declared.get(key)
        return row.project if row and row.project else said if isinstance(said, str) else None

    def _ours(self, key: identity.Key) -> bool:
        row = self.declared.get(key)
        allowed = self.namespace in {None, key.namespace}
        return allowed and (row is None or row.source.source == self.source)

    def _stands(self, key: identity.Key, row: model.Recorded) -> bool:
        """Whether the version that failed is the one that is declared, and the files hold it."""
        declared = self.declared.get(key)
        return (
            key in self.documents
            and declared is not None
            and declared.problem is None
            and declared.hash == row.hash
        )


def key_of(body: Any) -> identity.Key | None:
    """The identity that a document says it has; None: it is not one of ours."""
    if not isinstance(body, Mapping) or not isinstance(body.get("metadata"), Mapping):
        return None
    kind, metadata = body.get("kind"), body["metadata"]
    name = metadata.get("name")
    if kind not in registry.KINDS or not isinstance(name, str):
        return None
    namespace = "" if kind in references.CLUSTER_SCOPED else metadata.get("namespace", "")
    return identity.Key(str(kind), str(namespace), name)


def rows(
    documents: Sequence[document.Document], source: str, old: Mapping[identity.Key, model.Declared]
) -> list[model.Declared]:
    """Documents as rows of the declared table. One that is refused keeps its last good version."""
    return [_row(found, source, old.get(found.key)) for found in documents]


def _row(found: document.Document, source: str, old: model.Declared | None) -> model.Declared:
    place = dataclasses.replace(
        old.source if old else model.SourceRef(source), path=found.path, line=found.line
    )
    if found.problem is not None and old is not None and old.hash:
        return dataclasses.replace(old, problem=found.problem, source=place)
    return model.Declared(
        key=found.key,
        project=found.project,
        spec=found.spec,
        hash=found.hash,
        source=place,
        problem=found.problem,
        refers_to=found.references,
        text=found.text,
        metadata=found.metadata,
    )


def check(scene: Scene, paths: Iterable[str]) -> validate.Report:
    """Some of the scene's files, checked beside all that is declared elsewhere."""
    files = {path: scene.files[path] for path in paths if path in scene.files}
    known = {
        row.key: row.spec
        for row in scene.world.declared
        if row.source.source != scene.source or row.source.path not in files
    }
    return validate.check(files, known=known, jobs=1)
