"""The types of `ops.run_events`: what happened, in the order in which it happened."""

from workbenchx.api import vocabulary


class EventType(vocabulary.Word):
    """The `type` column of `ops.run_events`. Published in schemas/event_types.json; add, never rename."""

    RUN_QUEUED = (
        "RunQueued",
        "A run was written to the queue; data holds what is to be executed, secrets as references.",
    )
    RUN_CLAIMED = (
        "RunClaimed",
        "A worker took the run; data holds the worker and the fencing token.",
    )
    RUN_REATTACHED = (
        "RunReattached",
        "Another worker took over a running run and found its sandbox; nothing was started again.",
    )
    RUN_REQUEUED = (
        "RunRequeued",
        "The run went back to the queue for a while; data holds the reason and the delay in seconds.",
    )
    CREATE_INTENDED = (
        "CreateIntended",
        "An object is about to be made at a provider; written before the call.",
    )
    OBJECT_CREATED = "ObjectCreated", "The provider made the object; data holds its external id."
    OBJECT_ADOPTED = (
        "ObjectAdopted",
        "The object of an earlier, interrupted try was found under its name and used.",
    )
    OBJECT_UPDATED = (
        "ObjectUpdated",
        "The provider changed the object in place; data holds the changed fields.",
    )
    PRE_STOP_STARTED = (
        "PreStopStarted",
        "A session's preStop is about to run, once in this run; data holds external id, provider, command and seconds.",
    )
    PRE_STOP_ENDED = (
        "PreStopEnded",
        "A session's preStop ended, or could not run; data holds reason, exit code and message. The stop goes on.",
    )
    OBJECT_STOPPED = "ObjectStopped", "The object was stopped; nothing of its process tree is left."
    OBJECT_DELETED = "ObjectDeleted", "The object is gone at the provider."
    COMMAND_CLAIMED = (
        "CommandClaimed",
        "The one permission to start the user's command was taken; written before the start.",
    )
    COMMAND_STARTED = (
        "CommandStarted",
        "The user's command started; data holds external id, provider and command.",
    )
    COMMAND_EXITED = (
        "CommandExited",
        "The user's command ended; data holds exit code or signal, and the times.",
    )
    ANSWERED = (
        "Answered",
        "An answer of a model ended; data holds how, provider, model, alias, tokens and cost in USD, never a word of it.",
    )
    PROBE_CHANGED = (
        "ProbeChanged",
        "A health question changed how a revision of a ModelDeployment stands; data holds revision, passed, failures and message.",
    )
    ARTIFACT_STORED = (
        "ArtifactStored",
        "A declared output was stored; data holds name, sha256 and size in bytes.",
    )
    ARTIFACT_REMOVED = (
        "ArtifactRemoved",
        "The project's retention let an artifact's bytes go; data holds name, sha256, size in bytes and because.",
    )
    METRICS_RECORDED = "MetricsRecorded", "The run's metrics file was read; data holds the numbers."
    SNAPSHOT_STORED = (
        "SnapshotStored",
        "A snapshot of a session was stored; data holds its sha256 and size in bytes.",
    )
    CANCEL_REQUESTED = (
        "CancelRequested",
        "A person or a newer declared version asked for the run to end; data says who.",
    )
    DEADLINE_PASSED = "DeadlinePassed", "The run's deadline came and its process tree was ended."
    LEASE_LOST = "LeaseLost", "A worker stopped renewing its lease; the run may be taken over."
    RUN_SUCCEEDED = (
        "RunSucceeded",
        "The run ended well; data holds reason, metrics and cost in USD.",
    )
    RUN_FAILED = "RunFailed", "The run ended badly; data holds reason and message."
    RUN_CANCELLED = "RunCancelled", "The provider confirmed that the run was ended on request."
    RUN_TIMED_OUT = "RunTimedOut", "The run was ended at its deadline."
    RUN_LOST = "RunLost", "The run's sandbox is surely gone and nobody knows how its command ended."
    RESOURCE_CREATED = (
        "ResourceCreated",
        "A resource got its row; data holds its declared hash and source.",
    )
    RESOURCE_UPDATED = (
        "ResourceUpdated",
        "A resource's row took a newer declared version; data holds the changed fields.",
    )
    RESOURCE_DELETED = "ResourceDeleted", "A resource was tombstoned; data says why."
    RESOURCE_RENAMED = (
        "ResourceRenamed",
        "A resource kept its row under a new name; data holds the old one.",
    )
    RESOURCE_ADOPTED = (
        "ResourceAdopted",
        "A resource that was only observed is managed from now on.",
    )
    RESOURCE_FORGOTTEN = (
        "ResourceForgotten",
        "A resource's row was tombstoned and its object left alone.",
    )
    RESOURCE_HELD = (
        "ResourceHeld",
        "A change of the resource waits for a person; data says what would be done.",
    )
    CONDITION_CHANGED = (
        "ConditionChanged",
        "A resource's state, Ready or reason changed; data holds before and after.",
    )
    INTERVENTION_APPLIED = (
        "InterventionApplied",
        "A person's order took effect; data holds verb, arguments and who gave it.",
    )
    SOURCE_APPLIED = (
        "SourceApplied",
        "A commit of a followed repository was brought in force; data holds commit, numbers, what was skipped, kept or refused, and whether history was rewritten.",
    )
    SOURCE_REFUSED = (
        "SourceRefused",
        "A followed repository could not be looked at, or its commit was not applied; data holds the commit and the message.",
    )
    FINDING_REPORTED = (
        "FindingReported",
        "Drift, an unowned object or a failure was found; data is the finding.",
    )
    COST_METERED = "CostMetered", "Usage was metered; data holds the seconds and the cost in USD."
