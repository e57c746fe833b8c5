"""How far a change of few resources reaches: what must be judged again, so that the rest of the world need not be read.

A part of a world is planned as the whole is, but only what is in `World.part` is judged; what else lies in it is there
to be referred to and stands as it is recorded. Pure.
"""

from collections.abc import Collection, Iterable

from workbenchx.planner import index, model, subjects

# Their rules look at nothing but the document, the standing of what it refers to, and, of a Source, what a worker saw.
JUDGED_ALONE = frozenset({"App", "Dataset", "Project", "Runtime", "Source", "Template"})
# What others write of these changes nothing else; there are few.
TOLD = frozenset({"Source"})


class Reach:
    """Who refers to whom, as of the last plan of the whole world and of the parts since."""

    def __init__(self, looked_up: index.Index) -> None:
        self._users: dict[model.Key, set[model.Key]] = {}
        self._told: dict[str, set[model.Key]] = {}
        # A resource that is no longer declared may be the old name of one that comes.
        self._whole = all(
            subject.phase is subjects.Phase.DECLARED for subject in looked_up.resources.values()
        )
        self.note(looked_up.resources.values())

    def known(self, kind: str) -> Collection[model.Key]:
        """All of a kind that is told as such (`TOLD`)."""
        return self._told.get(kind, ())

    def note(self, known: Iterable[subjects.Subject]) -> None:
        """Learn what these refer to. Nothing is unlearned: at worst too much is judged."""
        for subject in known:
            if subject.key.kind in TOLD:
                self._told.setdefault(subject.key.kind, set()).add(subject.key)
            for reference in subject.references:
                self._users.setdefault(reference.target, set()).add(subject.key)

    def of(self, changed: Collection[model.Key]) -> frozenset[model.Key] | None:
        """All that must be judged again when these have new documents; None: the whole world."""
        if not self._whole:
            return None
        found, new = set(changed), list(changed)
        while new:
            key = new.pop()
            if key.kind not in JUDGED_ALONE:
                return None
            users = self._users.get(key, set()) - found
            found |= users
            new += users
        return frozenset(found)


def sound(looked_up: index.Index, made: model.Plan) -> bool:
    """Whether a plan of a part may be recorded: all of it is declared, and it does nothing but write rows."""
    part = looked_up.world.part or frozenset()
    return all(
        subject.phase is subjects.Phase.DECLARED for subject in looked_up.resources.values()
    ) and not any(
        step.destructive or step.operation or step.subject not in part for step in made.steps
    )
