"""How people name things: `Kind/name`, `kind name`, plurals and short names. Pure."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence

from workbenchx.api import registry
from workbenchx.cli import failure
from workbenchx.planner import model


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for. `name` None: all of the kind; `kind` None as well: everything."""

    kind: str | None = None
    name: str | None = None
    namespace: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" if self.name else self.kind or "everything"


def parse(words: Sequence[str], namespace: str | None = None) -> Wanted:
    """What `words` ask for: nothing, a kind, `Kind/name` or `kind name`.

    Raises:
        failure.Failure: no such kind, or too many words.
    """
    if not words:
        return Wanted(namespace=namespace)
    first, slash, rest = words[0].partition("/")
    tail = [rest, *words[1:]] if slash else list(words[1:])
    if len(tail) > 1 or (slash and not rest):
        raise failure.Failure(
            f'"{" ".join(words)}" does not name one resource', hint="write it as Kind/name"
        )
    return Wanted(kind(first), tail[0] if tail else None, namespace)


def one(words: Sequence[str], namespace: str | None = None) -> Wanted:
    """Like `parse`, but it must name one resource."""
    if len(words) == 1 and "/" not in words[0] and not _near(words[0]):
        raise failure.Failure(
            f'"{words[0]}" does not say of which kind it is',
            hint=f"write it as Kind/{words[0]}; wbx get lists what there is",
        )
    wanted = parse(words, namespace)
    if wanted.name is None:
        raise failure.Failure(
            f'"{" ".join(words)}" does not name one resource', hint="write it as Kind/name"
        )
    return wanted


def kind(word: str) -> str:
    """The kind that `word` means, in whatever form people write it.

    Raises:
        failure.Failure: no such kind; the hint names the nearest.
    """
    forms = _forms()
    found = forms.get(word.lower())
    if found is None:
        near = _near(word)
        hint = f"did you mean {near}?" if near else f"kinds: {', '.join(registry.KINDS)}"
        raise failure.Failure(f'there is no kind "{word}"', hint=hint)
    return found


def _near(word: str) -> str | None:
    """The kind whose name is that, or most like it."""
    forms = _forms()
    found = difflib.get_close_matches(word.lower(), forms, n=1)
    return forms[found[0]] if found else None


def _forms() -> dict[str, str]:
    return {
        form.lower(): entry.kind
        for entry in registry.KINDS.values()
        for form in (entry.kind, entry.plural, entry.singular, *entry.short_names)
    }


def matching(wanted: Wanted, keys: Iterable[model.Key]) -> list[model.Key]:
    """The keys that `wanted` covers, sorted."""
    return sorted(
        key
        for key in keys
        if wanted.kind in (None, key.kind)
        and wanted.name in (None, key.name)
        and wanted.namespace in (None, key.namespace)
    )


def choose(wanted: Wanted, keys: Iterable[model.Key]) -> model.Key:
    """The one key that `wanted` names.

    Raises:
        failure.Failure: there is none (the hint names the nearest), or there are several (the hint names them).
    """
    known = list(keys)
    found = matching(wanted, known)
    if len(found) == 1:
        return found[0]
    if found:
        spaces = " or ".join(f"-n {key.namespace}" for key in found)
        raise failure.Failure(
            f"{wanted} is in {len(found)} namespaces", hint=f"say which: {spaces}"
        )
    where = f" in namespace {wanted.namespace}" if wanted.namespace else ""
    raise failure.Failure(f"there is no {wanted}{where}", hint=_nearest(wanted, known))


def _nearest(wanted: Wanted, known: Sequence[model.Key]) -> str:
    same_name = [key for key in known if key.name == wanted.name]
    elsewhere = [key for key in same_name if key.kind == wanted.kind]
    if elsewhere:
        return f"it is in namespace {elsewhere[0].namespace}"
    names = {key.name: key for key in known if key.kind == wanted.kind}
    near = difflib.get_close_matches(wanted.name or "", names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {names[near[0]]}?"
    if same_name:
        return f"did you mean {same_name[0]}?"
    return "wbx get lists what there is"


def looks_like_run(word: str) -> bool:
    """Whether `word` can be the start of a run id and not the name of a kind."""
    return (
        len(word) >= 4
        and all(c in "0123456789abcdef-" for c in word.lower())
        and word.lower() not in _forms()
    )


def key_of(row: Mapping[str, object]) -> model.Key:
    """The key of a row that carries kind, namespace and name."""
    return model.Key(str(row["kind"]), str(row.get("namespace") or ""), str(row["name"]))
