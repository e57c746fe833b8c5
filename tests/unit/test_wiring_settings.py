"""Settings: where each value comes from, and what is said about a wrong one."""

import pathlib

import pytest

from workbenchx import errors
from workbenchx.wiring import keys, settings


@pytest.fixture
def repository(tmp_path: pathlib.Path) -> pathlib.Path:
    """A repository root with a nested folder."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    return tmp_path


def load(
    folder: pathlib.Path,
    toml: str | None = None,
    flags: dict[str, object] | None = None,
    **env: str,
) -> settings.Settings:
    """Settings seen from `folder`, with `toml` as its wbx.toml."""
    if toml is not None:
        (folder / "wbx.toml").write_text(toml, encoding="utf-8")
    return settings.load(flags=flags, environ=env, folder=folder)


def refusal(folder: pathlib.Path, toml: str | None = None, **env: str) -> str:
    """The message of the refusal."""
    with pytest.raises(errors.Stalled) as caught:
        load(folder, toml, flags=None, **env)
    assert caught.value.reason == "BadSettings"
    return caught.value.message


def test_nothing_set_is_the_embedded_default_of_the_repository(repository: pathlib.Path) -> None:
    """Without a file, a variable or a flag: embedded, home and ssot at the root, from any folder inside."""
    found = load(repository / "deep" / "er")

    assert found.root == repository
    assert found.home == repository / ".wbx"
    assert found.ssot == repository / "ssot"
    assert found.embedded
    assert found.stand_in == "local"


def test_weight_rises_from_file_to_variable_to_flag(repository: pathlib.Path) -> None:
    """A flag beats a variable, which beats the file."""
    toml = 'environment = "file"\nlog_level = "error"\nhome = "data"\n'

    found = load(
        repository, toml, flags={"home": "flagged"}, WBX_HOME="/variable", WBX_LOG_LEVEL="info"
    )

    assert found.environment == "file"
    assert found.log_level == "info"
    assert found.home == repository / "flagged"


def test_paths_of_the_file_count_from_the_file(repository: pathlib.Path) -> None:
    """`home = "data"` means the same from every folder; a variable counts from the current one."""
    (repository / "wbx.toml").write_text('home = "data"\n')

    assert load(repository / "deep").home == repository / "data"
    assert load(repository / "deep", WBX_SSOT="mine").ssot == repository / "deep" / "mine"


def test_a_flag_that_was_not_given_changes_nothing(repository: pathlib.Path) -> None:
    """None is "not given"."""
    assert load(repository, flags={"home": None}).home == repository / ".wbx"


def test_another_database_is_not_embedded_and_nothing_stands_in(repository: pathlib.Path) -> None:
    """`stand_in = local` is the embedded mode's alone."""
    found = load(repository, WBX_DATABASE_URL="postgresql://x/y")

    assert not found.embedded
    assert found.stand_in is None


def test_nothing_stands_in_where_that_is_said(repository: pathlib.Path) -> None:
    """`none` is a word for it, since embedded an unset variable means `local`; in a cluster it says what is so anyway."""
    assert load(repository).stand_in == "local"
    assert load(repository, WBX_STAND_IN="none").stand_in is None
    assert load(repository, WBX_STAND_IN="none").embedded
    assert (
        load(repository, WBX_STAND_IN="none", WBX_DATABASE_URL="postgresql://x/y").stand_in is None
    )


def test_an_empty_variable_is_not_set(repository: pathlib.Path) -> None:
    """`WBX_API_URL=` switches nothing."""
    assert load(repository, WBX_API_URL="").embedded


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_known(
    repository: pathlib.Path,
) -> None:
    """A typo in wbx.toml is found."""
    message = refusal(repository, '# mine\nenvironment = "x"\nlog_lvl = "info"\n')

    assert message == (
        f'settings: {repository}/wbx.toml:3: unknown key "log_lvl" (did you mean "log_level"?)'
    )


def test_an_unknown_table_is_named_with_its_line(repository: pathlib.Path) -> None:
    """A whole section that nothing reads is an error, too."""
    assert 'wbx.toml:2: unknown key "zzz" (known: ' in refusal(repository, "\n[zzz]\na = 1\n")


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("home = 3\n", "wbx.toml:1: home must be a text in quotes"),
        ("\nconcurrency = true\n", "wbx.toml:2: concurrency must be a whole number"),
        ("concurrency = 0\n", 'concurrency is "0", must be a whole number from 1'),
        ('colour = "red"\n', 'colour is "red", must be one of auto, always, never'),
        ("a =\n", "wbx.toml:1:4: not TOML: Invalid value"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(
    repository: pathlib.Path, toml: str, said: str
) -> None:
    """Every refusal says where and what would be right."""
    assert said in refusal(repository, toml)


def test_a_wrong_variable_is_named(repository: pathlib.Path) -> None:
    """The message names the variable, not a file."""
    assert 'WBX_CONCURRENCY: concurrency is "many"' in refusal(repository, WBX_CONCURRENCY="many")


def test_a_file_that_is_not_text_is_refused(repository: pathlib.Path) -> None:
    """Bad UTF-8 is an error with the path, not a traceback."""
    (repository / "wbx.toml").write_bytes(b"\xff\xfe")

    assert "wbx.toml: cannot be read" in refusal(repository)


def test_every_key_is_documented_and_is_a_field() -> None:
    """No setting without a meaning, none that settings do not carry."""
    fields = set(settings.Settings.__dataclass_fields__) - {"root"}

    assert set(keys.KEYS) == fields
    assert all(key.meaning for key in keys.KEYS.values())


def test_a_table_holds_the_settings_of_fixbot(repository: pathlib.Path) -> None:
    """Texts, numbers, lists and true or false; a variable has the whole name."""
    toml = """
environment = "here"

[fixbot]
enabled = true
rules = ["pin-digest", "bump-digest"]
open = 3
labels = "bots night"
signing_key = "env:KEY"
"""
    found = load(repository, toml, WBX_FIXBOT_OPEN="5", WBX_FIXBOT_NAME="Jo (bot)")

    assert (found.environment, found.fixbot_enabled, found.fixbot_open) == ("here", True, 5)
    assert found.fixbot_rules == ("pin-digest", "bump-digest")
    assert found.fixbot_labels == ("bots", "night")
    assert (found.fixbot_name, found.fixbot_hourly) == ("Jo (bot)", 4)
    assert "KEY" not in repr(found)
    assert load(repository, "", WBX_FIXBOT_ENABLED="false").fixbot_enabled is False


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("open = 1\n[fixbot]\nopen = 0\n", 'wbx.toml:1: unknown key "open"'),
        ("[fixbot]\n\nopen = 0\n", 'wbx.toml:3: [fixbot] open is "0", must be a whole number'),
        (
            "[fixbot]\nenable = true\n",
            'toml:2: unknown key "enable" of [fixbot] (did you mean "enabled"?)',
        ),
        ('[fixbot]\nenabled = "yes"\n', "wbx.toml:2: [fixbot] enabled must be true or false"),
        ("fixbot_open = 1\n", "wbx.toml:1: unknown key"),
        ("fixbot_open = 1\n", "write open in the table [fixbot]"),
        ("fixbot = 1\n", "wbx.toml:1: fixbot must be a table"),
        (
            '[fixbot]\nrules = ["pin"]\n',
            'wbx.toml:2: [fixbot] rules: there is no rule "pin" (rules: adopt-drift',
        ),
        ('[fixbot]\nsigning_key = "abc"\n', "wbx.toml:2: [fixbot] signing_key must be env:NAME"),
        ('[fixbot]\nname = "Jo."\n', 'wbx.toml:2: [fixbot] name is "Jo.", must be a plain name'),
        ('[fixbot]\nemail = "Jo"\n', "must be a plain address"),
        ("fixbot.hourly = 1\nfixbot.open = 0\n", 'wbx.toml:2: [fixbot] open is "0"'),
        ("enabled = true\n", 'unknown key "enabled" (write it in the table [fixbot])'),
        ("[fixbt]\nopen = 1\n", '(did you mean "fixbot"?)'),
        ("fixbot.open = 0\n", 'wbx.toml:1: [fixbot] open is "0"'),
        ("[fixbot]\nhome = 1\n", 'unknown key "home" of [fixbot] (write it above all tables)'),
        (
            "[fixbot]\nlabels = [1]\n",
            "wbx.toml:2: [fixbot] labels must be a list of texts in quotes",
        ),
    ],
)
def test_a_wrong_value_of_a_table_is_refused_with_its_place(
    repository: pathlib.Path, toml: str, said: str
) -> None:
    """The same words as elsewhere, with the line inside the table."""
    assert said in refusal(repository, toml)


def test_a_variable_that_is_neither_true_nor_false_is_refused(repository: pathlib.Path) -> None:
    """By its name."""
    assert 'WBX_FIXBOT_ENABLED: fixbot_enabled is "yes"' in refusal(
        repository, WBX_FIXBOT_ENABLED="yes"
    )


def test_who_only_ends_things_hears_of_what_is_wrong_and_gets_the_rest(
    repository: pathlib.Path,
) -> None:
    """All that is wrong in file and variables is told, in their order; what is right beside it counts, above all where the data is."""
    told: list[str] = []
    environ = {"WBX_CONCURRENCY": "many", "WBX_COLOUR": "never"}

    def seen(toml: str) -> settings.Settings:
        (repository / "wbx.toml").write_text(toml)
        told.clear()
        return settings.load(
            environ=environ, folder=repository, amiss=lambda problem: told.append(problem.message)
        )

    typo = seen('log_lvl = "info"\nhome = "data"\n[fixbot]\nopen = 0\n')
    assert (typo.home, typo.fixbot_open, typo.colour) == (repository / "data", 10, "never")
    assert [message.partition("settings: ")[2].split(" ")[0] for message in told] == [
        f"{repository}/wbx.toml:1:", f"{repository}/wbx.toml:4:", "WBX_CONCURRENCY:",
    ]  # fmt: skip

    broken = seen('home = "data"\nssot = \n[fixbot]\nhome = "other"\n')
    assert broken.home == repository / "data"
    assert "wbx.toml:2:8: not TOML" in told[0]
