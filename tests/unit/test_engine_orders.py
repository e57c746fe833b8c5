"""From an order document to a sandbox: engine/orders."""

import datetime

from workbenchx.engine import orders

DEADLINE = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)


def order(**changes: object) -> dict[str, object]:
    """A plain order with `changes`."""
    document: dict[str, object] = {
        "shape": "execution",
        "runtime": {"name": "py", "image": "x@sha256:" + "0" * 64, "python": "3.12"},
        "command": ["python", "train.py"],
        "code": {"sha256": "c" * 64, "commit": "abc"},
        "resources": {"cpu": 2, "memory": 1024, "gpu": 0},
    }
    return document | changes


def test_code_is_unpacked_into_the_working_folder_and_inputs_lie_under_inputs() -> None:
    """The code snapshot comes first; a stored input is a file, a member comes out of the code snapshot."""
    document = order(
        inputs=[
            {"name": "table", "sha256": "a" * 64},
            {"name": "raw", "member": "data/raw.csv", "expected_sha256": "e"},
            {"name": "inner", "sha256": "b" * 64, "member": "x.json"},
            {"name": "far", "uri": "https://example.org/x"},
        ]
    )

    files = orders.staged_files(document)

    said = [(file.path, file.sha256[0], file.unpack, file.member, file.expect) for file in files]
    assert said == [
        (".", "c", True, None, None),
        ("inputs/table", "a", False, None, None),
        ("inputs/raw", "c", False, "data/raw.csv", "e"),
        ("inputs/inner", "b", False, "x.json", None),
    ]


def test_spec_takes_limits_and_deadline_from_the_order() -> None:
    """What the order says is what the provider gets."""
    spec = orders.sandbox_spec(order(), name="wbx-1", tags={"a": "b"}, deadline=DEADLINE)

    assert (spec.cpu, spec.memory, spec.deadline, spec.python) == (2.0, 1024, DEADLINE, "3.12")
    assert spec.egress == ()


def test_environment_holds_parameters_seed_and_input_uris_and_ours_win() -> None:
    """A declared variable cannot pose as one of ours; parameters come as JSON and one by one."""
    document = order(
        params={"learning-rate": 0.1, "name": "x"},
        seed=7,
        env=[{"name": "WBX_RUN_ID", "value": "forged"}, {"name": "MODE", "value": "fast"}],
        inputs=[{"name": "far", "uri": "https://example.org/x"}],
        ports=[8000],
    )

    env = orders.environment(document, run_id="r1", project="p", secrets={})

    assert env["WBX_RUN_ID"] == "r1"
    assert env["MODE"] == "fast"
    assert env["WBX_PARAM_LEARNING_RATE"] == "0.1"
    assert env["WBX_PARAM_NAME"] == "x"
    assert env["WBX_PARAMS"] == '{"learning-rate": 0.1, "name": "x"}'
    assert (env["WBX_SEED"], env["PORT"]) == ("7", "8000")
    assert env["WBX_INPUT_FAR_URI"] == "https://example.org/x"


def test_secret_values_replace_references() -> None:
    """A secret variable has the resolved value, not the reference."""
    document = order(env=[{"name": "KEY", "secretRef": {"env": "WBX_SECRET_P_KEY"}}])

    env = orders.environment(document, run_id="r1", project="p", secrets={"KEY": "s3cret"})

    assert env["KEY"] == "s3cret"
