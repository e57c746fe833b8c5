"""From what the API server says of a Job and its pod to what a sandbox is. Pure.

The supervisor's own word, the termination message of the program's container, counts first; the kubelet's second; that of
the controllers last. Where nobody can say how a command ended, it is Lost.
"""

import contextlib
import datetime
import json
from typing import Any

from workbenchx import ports
from workbenchx.api import quantities
from workbenchx.providers.sandbox.kubernetes import names, objects

Json = dict[str, Any]

_NEVER = {
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "StartError",
}
_KILLED = 137
GIVEN_UP_SECONDS = 30.0
"""So long after its time a pod may still be ending where its node is only slow."""
_DISK = ("emptydir", "ephemeral", "disk")


def of(job: Json, pod: Json | None) -> ports.SandboxStatus:
    """The status of one sandbox. `pod`: the one in which it was staged, or its only one."""
    noted = annotations(job)
    started = noted.get(names.STARTED)
    found = _verdict(job, pod)
    if found is None:
        found = {"state": "running" if started else "created"}
    if not started and "started_at" not in found and found.get("state") == "created":
        started = None
    begun = found.get("started_at") or (float(started) if started else None)
    return ports.SandboxStatus(
        name=job["metadata"]["name"],
        state=found["state"],
        tags=json.loads(noted.get(names.TAGS, "{}")),
        exit_code=found.get("exit_code"),
        reason=found.get("reason", ""),
        message=found.get("message", ""),
        started_at=_time(begun),
        ended_at=_time(found.get("ended_at")),
        urls={int(port): url for port, url in json.loads(noted.get(names.PORTS, "{}")).items()},
        cpu_seconds=found.get("cpu_seconds"),
        max_memory=found.get("max_memory"),
        log_bytes=found.get("log_bytes", 0),
        fields=_fields(job, pod, found),
    )


def annotations(thing: Json) -> dict[str, str]:
    """The annotations of an object."""
    found: dict[str, str] = thing["metadata"].get("annotations") or {}
    return found


def chosen_pod(job: Json, pods: list[Json]) -> Json | None:
    """The pod that counts: where the files lie; before they do, the newest."""
    bound = annotations(job).get(names.STAGED)
    if bound is not None:
        return next((pod for pod in pods if pod["metadata"]["name"] == bound), None)
    ordered = sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    return ordered[-1] if ordered else None


def hopeless(pod: Json) -> str:
    """Why its containers will never run, in the kubelet's words; "" while they may."""
    for state in _states(pod).values():
        waiting = state.get("waiting") or {}
        if waiting.get("reason") in _NEVER:
            return f"{waiting['reason']}: {_line(waiting.get('message', ''))}"
    kit = _states(pod).get(names.KIT, {}).get("terminated") or {}
    if kit.get("exitCode"):
        return f"the kit could not be packed: exit code {kit['exitCode']} {kit.get('reason', '')}"
    return ""


def awaited(pod: Json) -> str:
    """What a pod that does not run waits for, in the cluster's words."""
    for condition in pod["status"].get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            return f"{condition.get('reason', '')}: {_line(condition.get('message', ''))}"
    waiting = [
        state["waiting"].get("reason") for state in _states(pod).values() if "waiting" in state
    ]
    return f"its containers start: {waiting[0]}" if waiting else "its containers start"


def up(pod: Json) -> bool:
    """Whether both containers run."""
    states = _states(pod)
    return all("running" in states.get(name, {}) for name in (names.MAIN, names.KEEPER))


def readable(pod: Json | None) -> bool:
    """Whether files can be had: the keeper runs."""
    return pod is not None and "running" in _states(pod).get(names.KEEPER, {})


def given_up(pod: Json, now: float) -> bool:
    """Whether the cluster has given it up on a node that does not answer: it should have ended long ago, and nobody says so."""
    ends = _seconds(pod["metadata"].get("deletionTimestamp"))
    if ends is None or now < ends + GIVEN_UP_SECONDS:
        return False
    return any(
        each["type"] == "DisruptionTarget"
        and each["status"] == "True"
        and each.get("reason") == "DeletionByTaintManager"
        for each in pod["status"].get("conditions") or ()
    )


def _verdict(job: Json, pod: Json | None) -> Json | None:
    """How it ended; None: it has not."""
    failed = _failed(job)
    if pod is None:
        bound = names.STAGED in annotations(job)
        if not bound and failed is None:
            return None
        return _lost(job, _line((failed or {}).get("message", "")) or "its pod is gone")
    if ended := _states(pod).get(names.MAIN, {}).get("terminated"):
        return _ended(pod, ended)
    if pod["status"].get("phase") in {"Failed", "Succeeded"}:
        return _without_word(pod, {})
    if failed is not None and "deletionTimestamp" in pod["metadata"]:
        return _lost(job, _line(failed.get("message", "")))
    return None


def _ended(pod: Json, ended: Json) -> Json:
    try:
        told: Json = json.loads(ended.get("message", ""))
    except ValueError:
        told = {}
    return told if told.get("state") else _without_word(pod, ended)


def _without_word(pod: Json, ended: Json) -> Json:
    """The supervisor could not say: what the kubelet knows."""
    status, code = pod["status"], ended.get("exitCode")
    found: Json = {
        "state": "exited",
        "exit_code": code,
        "started_at": _seconds(ended.get("startedAt")),
        "ended_at": _seconds(ended.get("finishedAt")),
    }
    told = _line(status.get("message", "")) or _line(ended.get("message", ""))
    if status.get("reason") == "Evicted":
        full = any(word in told.lower() for word in _DISK)
        return found | {"reason": "DiskFull" if full else "Lost", "message": f"evicted: {told}"}
    if status.get("reason") == "DeadlineExceeded":
        return found | {"reason": "DeadlineExceeded", "message": told}
    if ended.get("reason") == "OOMKilled":
        message = "the kernel ended it at the memory limit of its container"
        return found | {"reason": "OutOfMemory", "message": message}
    if ended.get("reason") in _NEVER or ended.get("reason") == "ContainerCannotRun":
        return found | {"state": "failed", "reason": "StartFailed", "message": told}
    what = "killed" if code == _KILLED else f"ended with code {code}"
    return found | {"reason": "Lost", "message": f"its supervisor was {what}: {told or 'no word'}"}


def _lost(job: Json, message: str) -> Json:
    reason = "Lost"
    if (_failed(job) or {}).get("reason") == "DeadlineExceeded":
        reason = "DeadlineExceeded"
    return {"state": "exited", "reason": reason, "message": message}


def _failed(job: Json) -> Json | None:
    for condition in job.get("status", {}).get("conditions") or ():
        if condition["type"] in {"Failed", "FailureTarget"} and condition["status"] == "True":
            found: Json = condition
            return found
    return None


def _fields(job: Json, pod: Json | None, found: Json) -> Json:
    fields: Json = {
        "image": annotations(job).get(names.IMAGE, ""),
        "namespace": job["metadata"]["namespace"],
        "pod": pod["metadata"]["name"] if pod else None,
        "node": pod["spec"].get("nodeName") if pod else None,
    }
    if "restarts" in found:
        fields["restarts"] = found["restarts"]
    return fields | (_size(pod) if pod else {})


def _size(pod: Json) -> Json:
    """What its program may use now, without our own part: a pod that runs can be resized. What cannot be read is not shown."""
    main = next(each for each in pod["spec"]["containers"] if each["name"] == names.MAIN)
    limits = (main.get("resources") or {}).get("limits") or {}
    with contextlib.suppress(KeyError, ValueError):
        memory = str(limits["memory"])
        size = int(memory) if memory.isdigit() else quantities.memory(memory)
        return {"cpu": quantities.cpu(limits["cpu"]), "memory": size - objects.OVERHEAD}
    return {}


def _states(pod: Json) -> dict[str, Json]:
    status = pod.get("status", {})
    listed = [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]
    return {each["name"]: each.get("state") or {} for each in listed}


def _line(text: str) -> str:
    return " ".join(str(text).split())[:500]


def _seconds(text: str | None) -> float | None:
    return datetime.datetime.fromisoformat(text).timestamp() if text else None


def _time(seconds: float | None) -> datetime.datetime | None:
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC)
