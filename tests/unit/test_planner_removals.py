"""What is no longer declared: deleted, let go, held; brakes, tokens, renames, scope."""

import dataclasses
from typing import Any

import planner_worlds as worlds

from workbenchx.planner import model


def _datasets(count: int) -> list[model.Declared]:
    return [worlds.declare(f"Dataset/d{n:02d}", {"uri": f"s3://d/{n}"}) for n in range(count)]


def _settled(*rows: model.Declared, **policy: Any) -> worlds.Life:
    life = worlds.Life(*worlds.platform(), *rows, **policy)
    life.settle()
    return life


def test_a_row_is_deleted() -> None:
    """A document that is gone deletes its row, which counts as destruction."""
    life = _settled(*_datasets(1))
    life.drop("Dataset/d00")
    found = life.apply()

    assert ["delete Dataset/d00 NotDeclared"] == worlds.said(found)
    assert found.steps[0].destructive
    assert 12 == len(found.destroy_token)
    assert [] == worlds.said(life.plan())


def test_what_could_not_be_read_deletes_nothing() -> None:
    """An incomplete reading proves no absence; the report says so."""
    life = _settled(*_datasets(1))
    life.drop("Dataset/d00")
    life.complete = False
    found = life.plan()

    assert [] == worlds.said(found)
    assert not found.complete
    assert {"Unknown"} == worlds.waits(found, "Dataset/d00")


def test_a_scope_deletes_only_what_lay_in_it() -> None:
    """Absence under a path says nothing of what was recorded from elsewhere."""
    life = _settled(
        worlds.declare("Dataset/in", {"uri": "s3://x"}, path="ssot/projects/penguins/a/in.yaml"),
        worlds.declare("Dataset/out", {"uri": "s3://y"}, path="ssot/projects/penguins/ab.yaml"),
    )
    life.drop("Dataset/in", "Dataset/out")
    life.policy = dataclasses.replace(life.policy, scope="ssot/projects/penguins/a")

    assert ["delete Dataset/in NotDeclared"] == worlds.said(life.plan())
    life.policy = dataclasses.replace(life.policy, scope="ssot/projects/penguins/ab.yaml")
    assert ["delete Dataset/out NotDeclared"] == worlds.said(life.plan())


def test_more_than_ten_are_held() -> None:
    """Eleven deletes hold, all of them; what is held lives on as Held and its users notice nothing."""
    life = _settled(
        *_datasets(11),
        worlds.job(inputs=[{"name": "x", "from": "Dataset/d00"}]),
        brake_share=1.0,
        brake_most=1.0,
    )
    life.drop(*(f"Dataset/d{n:02d}" for n in range(11)))
    found = life.apply()

    assert 11 == found.counts["hold"]
    assert {"Braked"} == {step.because.value for step in found.steps}
    assert not found.executable
    assert (False, "Held") == worlds.standing(found, "Dataset/d00")
    assert (True, "Succeeded") == worlds.standing(found, "RunnerJob/ingest")


def test_ten_are_not_held() -> None:
    """Up to the count, and without a share of a kind that is too large, they go."""
    life = _settled(*_datasets(10), brake_share=1.0, brake_most=1.0)
    life.drop(*(f"Dataset/d{n:02d}" for n in range(10)))

    assert 10 == life.plan().counts["delete"]


def test_a_fifth_of_a_kind_is_held_from_five_on() -> None:
    """Five of twenty are more than a fifth; four are too few to count; five of thirty are less."""
    life = _settled(*_datasets(20))
    life.drop(*(f"Dataset/d{n:02d}" for n in range(5)))
    more = _settled(*_datasets(30))
    more.drop(*(f"Dataset/d{n:02d}" for n in range(5)))
    few = _settled(*_datasets(6))
    few.drop(*(f"Dataset/d{n:02d}" for n in range(4)))

    assert 5 == life.plan().counts["hold"]
    assert 5 == more.plan().counts["delete"]
    assert 4 == few.plan().counts["delete"]


def test_most_of_a_project_is_held_from_five_on() -> None:
    """Five of nine things of different kinds are more than half; four of seven are too few to count; five of ten are half."""

    def left(rest: int, going: int) -> dict[str, int]:
        life = _settled(
            worlds.job(), worlds.session(lifecycle={"onDelete": "delete"}), *_datasets(rest)
        )
        life.drop("RunnerJob/ingest", *(f"Dataset/d{n:02d}" for n in range(going - 2)))
        life.drop("Session/notebook")
        return dict(life.plan().counts)

    assert 5 == left(6, 5)["hold"]
    assert 4 == left(4, 4)["delete"]
    assert 5 == left(7, 5)["delete"]


def test_the_window_remembers() -> None:
    """Six now and six a minute later are twelve; after ten minutes they are forgotten."""
    life = _settled(*_datasets(12), brake_share=1.0, brake_most=1.0)
    life.drop(*(f"Dataset/d{n:02d}" for n in range(6)))
    life.apply()
    life.wait(60)
    life.drop(*(f"Dataset/d{n:02d}" for n in range(6, 12)))

    assert 6 == life.plan().counts["hold"]
    life.wait(600)
    assert 6 == life.plan().counts["delete"]


def test_the_window_forgets_what_was_confirmed() -> None:
    """After a confirmed mass delete a small one goes; without the confirmation it would hold."""
    life = _settled(*_datasets(14), worlds.session(), brake_share=1.0, brake_most=1.0)
    life.drop("Session/notebook", *(f"Dataset/d{n:02d}" for n in range(11)))
    life.order("confirm", token=life.plan().inputs["hold_token"])
    life.settle()
    life.wait(30)
    life.drop("Dataset/d11")
    found = life.plan()

    assert ["delete Dataset/d11 NotDeclared"] == worlds.said(found)
    assert {gone.confirmed for gone in life.destroyed} == {True}
    assert 12 == len(life.destroyed)
    life.destroyed = [dataclasses.replace(gone, confirmed=False) for gone in life.destroyed]
    assert 1 == life.plan().counts["hold"]


def test_brakes_count_each_project_and_each_source() -> None:
    """Eight in each of two projects are sixteen of one source, and held; of two sources they are not."""
    rows = []
    for project in ("penguins", "whales"):
        rows += [
            worlds.declare(f"Dataset/d{n}", {"uri": "s3://x"}, project=project) for n in range(8)
        ]
    life = worlds.Life(
        *worlds.platform(),
        worlds.declare("Project/whales", {}),
        *rows,
        brake_share=1.0,
        brake_most=1.0,
    )
    life.settle()
    for name in list(life.declared):
        if name.kind == "Dataset":
            del life.declared[name]
    one_source = life.plan()
    for name, row in life.recorded.items():
        if name.namespace == "whales":
            other = dataclasses.replace(row.source, source="other")
            life.recorded[name] = dataclasses.replace(row, source=other)

    assert 16 == one_source.counts["hold"]
    assert 16 == life.plan().counts["delete"]


def test_confirm_releases_exactly_the_set_of_its_token() -> None:
    """The right token lets it happen and is used up; after another delete it fits no more."""
    life = _settled(*_datasets(13), brake_share=1.0, brake_most=1.0)
    life.drop(*(f"Dataset/d{n:02d}" for n in range(11)))
    token = life.plan().destroy_token
    life.drop("Dataset/d11")
    life.order("confirm", token=token)
    other = life.apply()

    assert 12 == other.counts["hold"]
    assert token != other.destroy_token
    life.order("confirm", token=other.inputs["hold_token"])
    assert 12 == life.apply().counts["delete"]
    assert [] == worlds.said(life.plan())
    life.wait(601)
    life.apply()
    assert {} == life.interventions


def test_re_declaring_clears_the_hold() -> None:
    """What is declared again is Ready again, as if nothing had been."""
    life = _settled(*_datasets(11), brake_share=1.0, brake_most=1.0)
    rows = dict(life.declared)
    life.drop(*(f"Dataset/d{n:02d}" for n in range(11)))
    life.apply()
    life.declared = rows
    found = life.apply()

    assert [] == worlds.said(found)
    assert (True, "Ready") == worlds.standing(found, "Dataset/d00")


def test_an_object_goes_before_its_row() -> None:
    """First the sandbox is deleted, then the row, which is not counted as a second destruction."""
    life = _settled(*worlds.app())
    life.drop("AppDeployment/shop", "App/shop")
    first = life.apply()
    again = life.plan()
    life.finish()
    second = life.apply()

    assert ["delete AppDeployment/shop NotDeclared delete", "delete App/shop NotDeclared"] == (
        worlds.said(first)
    )
    assert (False, "Deleting") == worlds.standing(first, "AppDeployment/shop")
    assert [] == worlds.said(again)
    assert ["delete AppDeployment/shop NotDeclared"] == worlds.said(second)
    assert "" == second.destroy_token
    assert {} == life.objects


def test_a_delete_that_fails_is_tried_again_and_needs_no_second_confirmation() -> None:
    """Nothing leaks: it is tried for ever, ever more slowly, whatever the brakes say."""
    rows = [row for n in range(6) for row in worlds.app(f"a{n}")]
    life = _settled(*rows)
    life.drop(*(str(row.key) for row in rows))
    life.order("confirm", token=life.plan().inputs["hold_token"])
    life.apply()
    life.finish(worlds.badly(reason="ProviderUnavailable"))
    early = life.apply()
    life.wait(10)
    found = life.apply()

    assert [] == worlds.said(early)
    assert (False, "Retrying") == worlds.standing(early, "AppDeployment/a0")
    assert 6 == found.counts["delete"]
    assert {2} == {step.tries for step in found.steps}


def test_a_session_with_files_is_held() -> None:
    """A session that is no longer declared holds somebody's work: a person confirms, or its author had said."""
    asked = _settled(worlds.session())
    asked.drop("Session/notebook")
    said = _settled(worlds.session(lifecycle={"onDelete": "delete"}))
    said.drop("Session/notebook")
    kept = _settled(worlds.session(lifecycle={"onDelete": "snapshot"}))
    kept.drop("Session/notebook")
    gone = _settled(worlds.session())
    gone.drop("Session/notebook")
    gone.objects.clear()
    gone.wait(60)
    gone.observe()

    assert ["hold Session/notebook DataBearing"] == worlds.said(asked.plan())
    assert ["delete Session/notebook NotDeclared delete"] == worlds.said(said.plan())
    step = kept.plan().steps[0]
    assert ("delete", True) == (step.action.value, (step.document or {})["save"])
    assert ["delete Session/notebook NotDeclared delete"] == worlds.said(gone.plan())


def test_orphans_are_let_go() -> None:
    """onDelete: orphan and create-only leave the object where it is; that destroys nothing."""
    for policy in ({"onDelete": "orphan"}, {"management": "create-only"}):
        life = _settled(*worlds.app(lifecycle=policy))
        life.drop("AppDeployment/shop")
        found = life.apply()

        assert ["forget AppDeployment/shop NotDeclared"] == worlds.said(found)
        assert "" == found.destroy_token
        assert 1 == len(life.objects)


def test_create_only_is_never_changed() -> None:
    """A newer document changes neither the row nor the object."""
    life = _settled(*worlds.app(lifecycle={"management": "create-only"}))
    life.add(
        *worlds.app(lifecycle={"management": "create-only"}, env=[{"name": "A", "value": "1"}])
    )

    assert [] == worlds.said(life.plan())


def test_forget_waits_until_it_is_not_declared() -> None:
    """wbx forget takes effect with the removal of the document: the row goes, the object stays."""
    life = _settled(*worlds.app())
    life.order("forget", "AppDeployment/shop")
    declared = life.apply()
    life.drop("AppDeployment/shop")
    found = life.apply()

    assert [] == worlds.said(declared)
    assert {"StillDeclared"} == worlds.waits(declared, "AppDeployment/shop")
    assert ["forget AppDeployment/shop Ordered"] == worlds.said(found)
    assert {} == life.interventions


def test_a_job_that_runs_is_asked_to_end() -> None:
    """Its delete is destructive; only when that is not held is its run cancelled."""
    life = worlds.Life(
        *worlds.platform(), worlds.job(), *_datasets(11), brake_share=1.0, brake_most=1.0
    )
    life.apply()
    life.drop("RunnerJob/ingest")
    run = next(iter(life.executions))
    alone = life.plan()
    life.drop(*(f"Dataset/d{n:02d}" for n in range(11)))
    held = life.plan()

    assert ["delete RunnerJob/ingest NotDeclared"] == worlds.said(alone)
    assert [run] == alone.inputs["cancels"]
    assert 12 == held.counts["hold"]
    assert [] == held.inputs["cancels"]


def test_an_experiment_takes_its_matrix_runs_along() -> None:
    """The Experiment counts once; its runs go with it, after it in no way."""
    life = _settled(worlds.experiment())
    life.drop("Experiment/species")
    found = life.apply()

    assert (5, 1) == (found.counts["delete"], found.counts["destructive"])
    assert {"ParentRemoved"} == {s.because.value for s in found.steps if s.parent}
    assert [] == worlds.said(life.plan())


def test_deletes_go_from_users_to_used() -> None:
    """What refers to others goes before them."""
    life = _settled(*_datasets(1), worlds.job(inputs=[{"name": "x", "from": "Dataset/d00"}]))
    life.drop("Dataset/d00", "RunnerJob/ingest")
    found = life.plan()

    assert ["RunnerJob", "Dataset"] == [step.subject.kind for step in found.steps]
    assert (worlds.key("RunnerJob/ingest"),) == found.steps[1].depends_on


def test_a_rename_is_a_move() -> None:
    """The same document under another name in the same file keeps uid, object and executions."""
    life = _settled(*worlds.app(), worlds.job(retries=1))
    uid = life.recorded[worlds.key("RunnerJob/ingest")].uid
    for old, new in (
        ("RunnerJob/ingest", "RunnerJob/take"),
        ("AppDeployment/shop", "AppDeployment/s"),
    ):
        row = life.declared.pop(worlds.key(old))
        life.declared[worlds.key(new)] = dataclasses.replace(row, key=worlds.key(new))
    found = life.apply()

    assert ["update AppDeployment/s Renamed", "update RunnerJob/take Renamed"] == sorted(
        worlds.said(found)
    )
    assert "" == found.destroy_token
    assert uid == life.recorded[worlds.key("RunnerJob/take")].uid
    assert [] == worlds.said(life.plan())


def test_a_rename_of_an_experiment_takes_its_runs_along() -> None:
    """Matrix runs get the new name and are not executed again."""
    life = _settled(worlds.experiment())
    row = life.declared.pop(worlds.key("Experiment/species"))
    new = worlds.key("Experiment/birds")
    life.declared[new] = dataclasses.replace(row, key=new)
    found = life.apply()

    assert (5, 0) == (found.counts["update"], found.counts["run"])
    assert {"Renamed"} == {step.because.value for step in found.steps}
    assert [] == worlds.said(life.plan())
    assert (True, "Succeeded") == worlds.standing(life.plan(), "Experiment/birds")


def test_another_file_or_another_spec_is_no_rename() -> None:
    """Then it is a delete and a create."""
    life = _settled(worlds.declare("Dataset/a", {"uri": "s3://a"}, path="x.yaml"))
    life.drop("Dataset/a")
    life.add(worlds.declare("Dataset/b", {"uri": "s3://a"}, path="y.yaml"))
    elsewhere = life.plan()
    life.add(worlds.declare("Dataset/b", {"uri": "s3://b"}, path="x.yaml"))
    changed = life.plan()

    expected = ["create Dataset/b New", "delete Dataset/a NotDeclared"]
    assert expected == worlds.said(elsewhere) == worlds.said(changed)


def test_suspended_by_a_person_is_not_deleted() -> None:
    """The document goes, the resource stays until somebody resumes."""
    life = _settled(*_datasets(1))
    life.order("suspend", "Dataset/d00")
    life.drop("Dataset/d00")
    found = life.apply()

    assert [] == worlds.said(found)
    assert (False, "Suspended") == worlds.standing(found, "Dataset/d00")
    life.order("resume", "Dataset/d00")
    assert ["delete Dataset/d00 NotDeclared"] == worlds.said(life.apply())


def test_a_held_thing_keeps_what_it_needs() -> None:
    """A session that waits for a person does not lose its project and runtime meanwhile."""
    life = _settled(worlds.session(), worlds.declare("Dataset/d", {"uri": "s3://x"}))
    life.drop("Session/notebook", "Project/penguins", "Runtime/py", "Dataset/d")
    found = life.plan()
    held = {str(step.subject) for step in found.steps if step.action is model.Action.HOLD}

    assert {"Session/notebook", "Project/penguins", "Runtime/py"} == held
    assert ["delete NotDeclared"] == worlds.steps_of(found, "Dataset/d")


def test_apps_made_anew_are_not_braked() -> None:
    """A re-pinned runtime replaces a dozen apps, which come back and lose nothing."""
    rows = [row for number in range(12) for row in worlds.app(f"a{number}")]
    life = _settled(*rows)
    life.add(*worlds.platform(image=worlds.NEW_IMAGE))

    assert 12 == life.plan().counts["replace"]
