"""The schemas of `--json`: well-formed, named for themselves, and agreeing with the code's enums."""

import cli_schemas
import jsonschema
import pytest

from workbenchx.planner import model

NAMES = sorted(path.stem for path in cli_schemas.FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_a_schema(name: str) -> None:
    """Draft 2020-12, with an id that is its address, and a title that names the command."""
    found = cli_schemas.schema(name)

    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$id"] == f"https://workbenchx.dev/schemas/output/{name}.json"
    assert found["title"].startswith("wbx ")


def test_there_is_one_for_every_json_output() -> None:
    """Every command that has `--json`."""
    expected = (
        "artifact-url artifact-verify artifacts cancel check db-anchor db-status db-verify diff diff-at fix get login plan provider-check reproduce "
        "resource run run-again runs search session-snapshot source-deliveries source-redeliver validate why"
    )

    assert expected.split() == NAMES


def test_the_plans_words_are_the_planners() -> None:
    """An action or mode that the planner learns is published here, too."""
    step = cli_schemas.schema("plan")["properties"]["steps"]["items"]["properties"]

    assert set(step["action"]["enum"]) == {action.value for action in model.Action}
    assert set(step["mode"]["enum"]) == {mode.value for mode in model.Mode}


@pytest.mark.parametrize(
    "name", ["runs", "run", "run-again", "cancel", "reproduce", "session-snapshot"]
)
def test_the_states_of_runs_are_the_state_machine(name: str) -> None:
    """The one state machine of `ops.runs`."""
    properties = cli_schemas.schema(name)["properties"]
    if name in {"runs", "run-again"}:
        properties = properties["items"]["items"]["properties"]

    assert properties["state"]["enum"] == [state.value for state in model.ExecutionState]
