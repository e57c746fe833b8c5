"""Laws of what a model may see and change: secrets stay here, and paths stay below their folder."""

import base64
import urllib.parse

import hypothesis
from hypothesis import strategies

from workbenchx.fixbot import masking, scripts

SECRETS = strategies.text(
    strategies.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=6, max_size=60
).filter(lambda text: len(text.strip()) >= 6 and text.strip() not in masking.MASK * 20)
NOISE = strategies.text("ab =:\n\"'", max_size=60)
SPELLINGS = strategies.sampled_from(
    [
        str,
        repr,
        urllib.parse.quote_plus,
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: text.encode().hex(),
    ]
)


@hypothesis.given(SECRETS, NOISE, NOISE, SPELLINGS)
@hypothesis.settings(max_examples=150, deadline=None)
def test_a_known_secret_is_never_shown(secret: str, before: str, after: str, spell: object) -> None:
    """Wherever it stands and however it is spelled."""
    spelled = str(spell(secret))  # type: ignore[operator] # one of the functions above
    shown = masking.log(f"{before}{spelled}{after}".encode(), [secret], 4000, begun=True)

    assert secret not in shown
    assert spelled.strip("'\"") not in shown


@hypothesis.given(SECRETS, strategies.integers(1, 80))
@hypothesis.settings(max_examples=100, deadline=None)
def test_a_secret_that_is_cut_in_two_is_not_shown_either(secret: str, at: int) -> None:
    """What was cut off in front may be the beginning of one."""
    data = f"{secret}{'.' * 200}".encode()[at:]
    left = data.decode(errors="ignore").rstrip(".")
    shown = masking.log(data, [secret], 4000, begun=False)

    assert len(left) < 2 or left not in shown


WORDS = strategies.lists(
    strategies.one_of(
        strategies.sampled_from(
            ["..", ".", "/", "-c", "run.py", "../run.py", "./a/run.py", "/etc/x.py", ".git/hooks/a.sh",
             "a/.github/x.py", "a//b.py", "a\\..\\b.py", "a/\0.py", "x" * 200 + ".py", "python"]
        ),
        strategies.text(max_size=20).map(lambda text: f"{text}.py"),
    ),
    max_size=4,
)  # fmt: skip


@hypothesis.given(strategies.sampled_from([".", "ssot/code", "./code", "..", ".git"]), WORDS)
@hypothesis.settings(max_examples=300, deadline=None)
def test_a_script_lies_below_its_folder_or_is_none(folder: str, command: list[str]) -> None:
    """No path leads out, into a hidden folder, or is spelled in two ways."""
    path = scripts.below(folder, command)

    if path is not None:
        parts = path.split("/")
        assert all(part and not part.startswith(".") for part in parts)
        assert path.isprintable()
        assert path.startswith(folder.removeprefix("./").strip(".") or path[:1])
        assert not path.endswith((".yaml", ".yml"))
