"""Laws of FixBot's changes, on generated files."""

import random
from collections.abc import Collection

import declared_files as written
import fixbot_scenes as given
import hypothesis
from hypothesis import strategies

from workbenchx.declared import parsing
from workbenchx.fixbot import proposal, rehearsing, rules, scenes

NAMES = strategies.lists(
    strategies.from_regex(r"[a-z]{3,8}", fullmatch=True), min_size=1, max_size=4, unique=True
)
COMMENTS = strategies.lists(
    strategies.text("abc #:-'\"{}[]", min_size=1, max_size=20), min_size=1, max_size=4
)


@strategies.composite
def trees(draw: strategies.DrawFn) -> dict[str, bytes]:
    """Files of jobs in which names are wrong and digests are missing, with comments wherever a line ends."""
    comments = draw(COMMENTS)
    wrong = draw(strategies.sampled_from(["pyton", "pythn", "python"]))
    image = given.IMAGE + draw(strategies.sampled_from(["", f"@{given.OLD}", f"@{given.NEW}"]))
    jobs = [
        written.job(name).replace("runtime: python", f"runtime: {wrong}") for name in draw(NAMES)
    ]
    rng = random.Random(draw(strategies.integers(0, 1 << 16)))
    text = _commented("---\n".join(jobs), comments, rng)
    runtime = written.document("Runtime", "python", "", f"image: {image}\napproved: true")
    return given.files({given.JOBS: text, given.RUNTIME: _commented(runtime, comments, rng)})


def _commented(text: str, comments: list[str], rng: random.Random) -> str:
    lines = []
    for line in text.splitlines():
        said = rng.choice(comments)
        place = rng.randrange(3)
        if place == 0:
            lines.append(f"# {said}")
        lines.append(f"{line}  # {said}" if place == 1 and line != "---" else line)
    return "\n".join(lines) + "\n"


def _seen(tree: dict[str, bytes]) -> scenes.Scene:
    made = given.life(tree)
    made.apply()
    return given.seen(tree, made, digests={given.IMAGE: given.NEW})


def _comments(tree: dict[str, bytes]) -> list[str]:
    return [
        line.partition("#")[2]
        for path in sorted(tree)
        for line in tree[path].decode().splitlines()
        if "#" in line
    ]


@hypothesis.given(trees())
@hypothesis.settings(max_examples=40, deadline=None)
def test_a_change_keeps_all_else_and_ends_its_cause(tree: dict[str, bytes]) -> None:
    """Comments and every other document stay; what was found is found no more; the same scene gives the same bytes."""
    scene = _seen(tree)
    made = proposal.all_of(scene, rules.find(scene))

    assert made == proposal.all_of(_seen(tree), rules.find(_seen(tree)))
    for each in made:
        assert each.refusal == ""
        after = {**tree, **each.changes}
        assert _comments(after) == _comments(tree)
        touched = {edit.key for item in each.findings for edit in item.edits}
        assert _others(after, touched) == _others(tree, touched)
        left = {item.place for item in rules.find(rehearsing.after(scene, each.changes))}
        assert not left & {item.place for item in each.findings}


def _others(tree: dict[str, bytes], touched: Collection[object]) -> list[object]:
    return [
        raw.body
        for path in sorted(tree)
        for raw in parsing.read(tree[path]).documents
        if scenes.key_of(raw.body) not in touched
    ]
