"""The sample project's own code, run as WorkbenchX runs it: a working folder, `inputs/`, and `WBX_*` variables."""

import contextlib
import csv
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

CODE = pathlib.Path("ssot/projects/penguins/code")


@pytest.fixture
def folder(root: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A working folder with the project's code and the raw table as input."""
    shutil.copytree(root / CODE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "inputs").mkdir()
    shutil.copy(tmp_path / "data" / "penguins.csv", tmp_path / "inputs" / "raw")
    return tmp_path


def run(folder: pathlib.Path, script: str, seed: int = 0, **parameters: Any) -> dict[str, float]:
    """Run a script to success; the metrics that it wrote."""
    metrics = folder / "metrics.json"
    subprocess.run(
        [sys.executable, script],
        cwd=folder,
        env=environment(folder, seed=seed, parameters=parameters),
        check=True,
        capture_output=True,
        timeout=60,
    )
    found: dict[str, float] = json.loads(metrics.read_text(encoding="utf-8"))
    return found


def environment(
    folder: pathlib.Path, *, seed: int = 0, parameters: dict[str, Any] | None = None
) -> dict[str, str]:
    """What a run sees."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "WBX_METRICS": str(folder / "metrics.json"),
        "WBX_OUTPUTS": str(folder / "outputs"),
        "WBX_PARAMS": json.dumps(parameters or {}),
        "WBX_SEED": str(seed),
    }


def ingested(folder: pathlib.Path) -> pathlib.Path:
    """The folder after ingest, its clean table laid where the next run expects it."""
    run(folder, "ingest.py")
    shutil.copy(folder / "outputs" / "table.csv", folder / "inputs" / "table")
    return folder


def test_ingest_drops_only_birds_without_measurements(folder: pathlib.Path) -> None:
    """Of 344 birds two were never measured; the profile and the metrics say so."""
    metrics = run(folder, "ingest.py")

    with (folder / "outputs" / "table.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    profile = json.loads((folder / "outputs" / "profile.json").read_text(encoding="utf-8"))
    assert metrics == {"rows": 342, "dropped": 2}
    assert len(rows) == 342
    assert not any("NA" in (row["bill_length_mm"], row["body_mass_g"]) for row in rows)
    assert profile["species"] == {"Adelie": 151, "Chinstrap": 68, "Gentoo": 123}


def test_ingest_names_a_missing_column(folder: pathlib.Path) -> None:
    """A table of another shape fails with the column's name, not with a traceback."""
    (folder / "inputs" / "raw").write_text("species,island\nAdelie,Dream\n", encoding="utf-8")

    with pytest.raises(subprocess.CalledProcessError) as failure:
        run(folder, "ingest.py")

    assert b"no column bill_depth_mm" in failure.value.stderr
    assert b"Traceback" not in failure.value.stderr


def test_training_learns(folder: pathlib.Path) -> None:
    """More passes over the table lower the loss on birds that training never saw."""
    ingested(folder)

    short = run(folder, "train.py", seed=1, learning_rate=0.003, epochs=5)
    long = run(folder, "train.py", seed=1, learning_rate=0.03, epochs=80)

    assert long["loss"] < short["loss"] / 2
    assert long["accuracy"] > 0.95


def test_training_repeats_byte_for_byte(folder: pathlib.Path) -> None:
    """The same table, parameters and seed give the same model file; another seed gives another."""
    ingested(folder)
    model = folder / "outputs" / "model.json"
    found = []
    for seed in (1, 1, 2):
        run(folder, "train.py", seed=seed, learning_rate=0.03, epochs=5)
        found.append(model.read_bytes())

    assert found[0] == found[1]
    assert found[0] != found[2]


def test_report_passes_on_the_sample(folder: pathlib.Path) -> None:
    """The nightly report finds nothing wrong with the published table."""
    metrics = run(ingested(folder), "report.py")

    assert metrics == {"rows": 342, "problems": 0}
    assert "No problem found" in (folder / "outputs" / "report.md").read_text(encoding="utf-8")


def test_report_fails_on_a_shrunken_table(folder: pathlib.Path) -> None:
    """A table that lost most of its rows fails the job and the report says why."""
    table = ingested(folder) / "inputs" / "table"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(lines[:40]), encoding="utf-8")

    with pytest.raises(subprocess.CalledProcessError):
        run(folder, "report.py")

    assert "fewer than 150" in (folder / "outputs" / "report.md").read_text(encoding="utf-8")


@contextlib.contextmanager
def serving(folder: pathlib.Path) -> Iterator[int]:
    """The app on a free port; the port."""
    command = [sys.executable, "-u", "app.py"]
    env = environment(folder) | {"PORT": "0"}
    with subprocess.Popen(
        command, cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if line.startswith("listening"))
            yield int(line.rsplit(" ", 1)[1])
        finally:
            process.terminate()


def get(port: int, path: str, accept: str = "text/html") -> tuple[int, str]:
    """Status and body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


QUERY = "bill_length_mm=50&bill_depth_mm=15&flipper_length_mm=222&body_mass_g=5200"


@pytest.mark.parametrize("given", [True, False], ids=["registered model", "no model yet"])
def test_app_predicts(folder: pathlib.Path, given: bool) -> None:
    """A big bird with a shallow bill is a Gentoo, in JSON and on the page, with or without a registered model."""
    if given:
        run(ingested(folder), "train.py", seed=1, learning_rate=0.03, epochs=20)
        shutil.copy(folder / "outputs" / "model.json", folder / "inputs" / "model")
    with serving(folder) as port:
        answers = {
            "health": get(port, "/healthz"),
            "form": get(port, "/"),
            "json": get(port, f"/predict?{QUERY}", "application/json"),
            "page": get(port, f"/predict?{QUERY}"),
        }

    assert {status for status, _ in answers.values()} == {200}
    assert answers["health"][1] == "ok\n"
    assert "<form" in answers["form"][1]
    assert json.loads(answers["json"][1])["species"] == "Gentoo"
    assert "Gentoo (" in answers["page"][1]


def test_app_says_what_is_wrong_with_a_query(folder: pathlib.Path) -> None:
    """A missing measurement is a 400 that names it, an unknown page a 404; what was typed comes back escaped."""
    with serving(folder) as port:
        missing = get(port, "/predict?bill_length_mm=50")
        unknown = get(port, "/secret")
        typed = get(port, "/?body_mass_g=%22%3E%3Cscript%3E")

    assert missing == (400, "bill_depth_mm: give a number\n")
    assert unknown[0] == 404
    assert typed[0] == 200
    assert "<script>" not in typed[1]
