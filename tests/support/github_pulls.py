"""Pull requests of the double of GitHub: their commits are git's, and what happens to them is told by webhooks."""

import datetime
import secrets
from collections.abc import Mapping
from typing import Any

import github_state

NOWHERE = "0" * 40
PERSON = "ada"


def open_pull(
    world: github_state.World,
    state: github_state.State,
    said: Mapping[str, Any],
    author: str,
    **more: Any,
) -> int:
    """Somebody opens one; its number."""
    with world.lock:
        number = next(world.numbers)
        head = more.get("head_sha") or state.commit_of(said["head"])
        state.pulls[number] = {
            "number": number,
            "title": said["title"],
            "body": said.get("body"),
            "user": author,
            "head": said["head"],
            "head_sha": head,
            "base": said["base"],
            "state": "open",
            "merged": None,
            "labels": [],
            **more,
        }
        tell(world, state, number, "opened")
        return number


def edit(
    world: github_state.World, state: github_state.State, number: int, said: Mapping[str, Any]
) -> dict[str, Any]:
    """Somebody edits, closes or reopens it."""
    with world.lock:
        found = state.pulls[number]
        before = found["state"]
        found.update(said)
        if found["state"] != before:
            tell(world, state, number, "closed" if found["state"] == "closed" else "reopened")
        return found


def merge(world: github_state.World, state: github_state.State, number: int, how: str) -> str:
    """Somebody merges it (merge, squash, rebase); main's commit then."""
    with world.lock:
        pull = state.pulls[number]
        theirs = f"origin/{pull['head']}"
        with world.clone(state) as (_, run):
            if how == "rebase":
                run("checkout", "-q", "--detach", theirs)
                run("rebase", "-q", "origin/main")
                run("checkout", "-q", "-B", "main", "HEAD")
            elif how == "squash":
                run("merge", "-q", "--squash", theirs)
                run("commit", "-q", "-m", f"{pull['title']} (#{number})")
            else:
                run("merge", "-q", "--no-ff", "-m", f"Merge #{number}", theirs)
            run("push", "-q", "origin", "main")
        pull["merged"] = state.commit_of("main")
        pull["state"] = "closed"
        tell(world, state, number, "closed")
        notice(world, state)
        return str(pull["merged"])


def notice(world: github_state.World, state: github_state.State, pusher: str = PERSON) -> None:
    """Whatever was pushed since somebody last looked: pull requests follow it, webhooks tell of it."""
    with world.lock:
        before, now = state.heads, state.branches()
        state.heads = now
        for branch in sorted(before.keys() | now.keys()):
            old, new = before.get(branch), now.get(branch)
            if old != new:
                world.hooks.tell(state.about(), "push", _push(state, branch, old, new, pusher))
                for pull in [each for each in state.pulls.values() if each["state"] == "open"]:
                    _follow(world, state, pull, branch)


def _follow(
    world: github_state.World,
    state: github_state.State,
    pull: dict[str, Any],
    branch: str,
) -> None:
    """A branch that is gone closes its pull request; one that was merged by hand has merged it."""
    number, new = pull["number"], state.heads.get(branch)
    if pull["head"] == branch and "fork" not in pull:
        if new is None:
            edit(world, state, number, {"state": "closed"})
            return
        old, pull["head_sha"] = pull["head_sha"], new
        tell(world, state, number, "synchronize", before=old, after=new)
    if new is None or pull["base"] != branch:
        return
    if state.try_git("merge-base", "--is-ancestor", pull["head_sha"], new).returncode == 0:
        pull["merged"] = new
        edit(world, state, number, {"state": "closed"})


def tell(
    world: github_state.World,
    state: github_state.State,
    number: int,
    action: str,
    **more: Any,
) -> None:
    """The webhook about it."""
    sender = {"login": PERSON, "id": 2}
    said = {"action": action, "number": number, "sender": sender, **more}
    said["pull_request"] = shown(state, state.pulls[number])
    world.hooks.tell(state.about(), f"pull-request-{action}", said)


def shown(state: github_state.State, found: Mapping[str, Any]) -> dict[str, Any]:
    """As a question for it alone is answered: whether git can merge it is part of that."""
    said = listed(state, found)
    if found["state"] == "open":
        said["mergeable"] = said["merge_commit_sha"] is not None
        said["mergeable_state"] = "clean" if said["mergeable"] else "dirty"
    return said


def listed(state: github_state.State, found: Mapping[str, Any]) -> dict[str, Any]:
    """As in a listing."""
    about = state.about()
    number, merged = found["number"], found["merged"]
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    base = state.commit_of(found["base"])
    tried = None if found["state"] == "closed" else _tried(state, base, found["head_sha"])
    return {
        "id": number,
        "number": number,
        "html_url": f"{state.page}/pull/{number}",
        "title": found["title"],
        "body": found["body"],
        "state": found["state"],
        "user": {"login": found["user"], "id": 2},
        "labels": [{"name": name} for name in found["labels"]],
        "merge_commit_sha": merged or tried,
        "merged": merged is not None,
        "merged_at": now if merged else None,
        "closed_at": now if found["state"] == "closed" else None,
        "head": {
            "ref": found["head"],
            "sha": found["head_sha"],
            "repo": found.get("fork") or about,
            "label": f"{state.owner}:{found['head']}",
        },
        "base": {"ref": found["base"], "sha": base, "repo": about, "label": "acme:main"},
    }


def _tried(state: github_state.State, base: str, head: str) -> str | None:
    """GitHub's try of a merge, a commit that is on no branch; None: git cannot."""
    tree = state.try_git("merge-tree", "--write-tree", base, head)
    if tree.returncode:
        return None
    parents = ("-p", base, "-p", head, "-m", "Merge")
    return state.git("commit-tree", tree.stdout.strip(), *parents)


def _push(
    state: github_state.State, branch: str, old: str | None, new: str | None, pusher: str
) -> dict[str, Any]:
    forced = False
    if old and new:
        forced = state.try_git("merge-base", "--is-ancestor", old, new).returncode != 0
    commit = _commit(state, new) if new else None
    return {
        "ref": f"refs/heads/{branch}",
        "before": old or NOWHERE,
        "after": new or NOWHERE,
        "created": old is None,
        "deleted": new is None,
        "forced": forced,
        "base_ref": None,
        "compare": f"{state.page}/compare/{secrets.token_hex(6)}",
        "commits": [commit] if commit else [],
        "head_commit": commit,
        "pusher": {"name": pusher},
        "sender": {"login": pusher, "id": 2},
    }


def _commit(state: github_state.State, commit: str) -> dict[str, Any]:
    form = "%T%x00%cI%x00%an%x00%ae%x00%s"
    tree, date, name, mail, subject = state.git("show", "-s", f"--format={form}", commit).split(
        "\0"
    )
    person = {"name": name, "email": mail, "username": name}
    said = {"id": commit, "tree_id": tree, "distinct": True, "message": subject, "timestamp": date}
    who = {"author": person, "committer": person}
    return {**said, **who, "url": f"{state.page}/commit/{commit}"}
