"""The states of a resource: what it is doing, in one word. `Ready` and its reason say whether that is well."""

from workbenchx.api import vocabulary


class State(vocabulary.Word):
    """The `state` column of every resource table. Published in schemas/states.json; add, never rename."""

    PENDING = (
        "Pending",
        "Recorded; nothing has been done for it yet, or something it needs is not ready.",
    )
    ACTIVE = "Active", "In force. Row-only kinds, schedules and whatever is simply there."
    CREATING = "Creating", "Its object at the provider is being made or replaced."
    QUEUED = "Queued", "An execution is in the queue and no worker has started it."
    RUNNING = "Running", "Its execution, session or service runs."
    SUCCEEDED = "Succeeded", "Its latest execution ended well and every declared output is stored."
    FAILED = "Failed", "Its latest execution or change ended badly and no further try is due."
    CANCELLED = "Cancelled", "Its latest execution was ended by a person."
    STOPPING = "Stopping", "Its object is being stopped; the process tree may still live."
    STOPPED = "Stopped", "Nothing of it runs; it can be started again."
    SUSPENDED = "Suspended", "A person or its lifecycle says that nothing is to be done for it."
    HELD = "Held", "A change waits for a person: a brake, drift, or a thing that holds data."
    DELETING = "Deleting", "It is no longer declared and its object is being removed."
    UNKNOWN = (
        "Unknown",
        "The provider did not say. Unknown is not absent: nothing is destroyed for it.",
    )
