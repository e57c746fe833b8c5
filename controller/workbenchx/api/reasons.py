"""Every reason that a resource's Ready condition may give.

Reasons are an interface: people alert on them. Published in schemas/reasons.json; add, never rename.
"""

from workbenchx.api import vocabulary


class Reason(vocabulary.Word):
    """Why a resource is, or is not, Ready."""

    READY = (
        "Ready",
        "Everything that the spec asks for is in force, and what it refers to is Ready.",
    )
    UNUSED = (
        "Unused",
        "A provider that no resource uses. It is Ready, and its credentials were not read.",
    )
    OBSERVED = (
        "Observed",
        "lifecycle.management is observe: the resource is shown and nothing is ever changed.",
    )
    SCHEDULED = (
        "Scheduled",
        "The resource waits for the next time of its schedule; its latest execution, if any, ended well.",
    )
    NOT_SCHEDULED = (
        "NotScheduled",
        "A schedule is declared but no run of it is planned: it is suspended, or it never fires again.",
    )
    SUCCEEDED = (
        "Succeeded",
        "The latest execution ended with exit code 0 and every declared output is stored with its sha256.",
    )
    RUNNING = (
        "Running",
        "The execution is under way. A session or app that runs and is healthy says Ready instead.",
    )
    QUEUED = (
        "Queued",
        "An execution is in the queue and starts as soon as a worker and the limits of its provider allow.",
    )
    CREATING = (
        "Creating",
        "The object at the provider is being made, started or replaced and does not answer yet.",
    )
    UPDATING = ("Updating", "A newer declared version is being put in force.")
    STOPPING = (
        "Stopping",
        "The object is being stopped; it counts as stopped once nothing of its process tree is left.",
    )
    STOPPED = (
        "Stopped",
        "The session or app was stopped by a person, its schedule or its idle time. Starting it again is possible.",
    )
    NOT_RUNNING = (
        "NotRunning",
        "What was asked for needs the object to run, as to move its end does, and it has none.",
    )
    SNAPSHOTS_UNSUPPORTED = (
        "SnapshotsUnsupported",
        "The provider cannot give out the files of what runs, so that no snapshot can be taken.",
    )
    EXPIRED = (
        "Expired",
        "The time to live of the session is over. It was stopped, and is started again only on order.",
    )
    DELETING = (
        "Deleting",
        "The resource is no longer declared and its object at the provider is being removed.",
    )
    RETRYING = (
        "Retrying",
        "The latest try ended badly and another one follows after a pause, because the spec allows retries or because the cause passes by itself.",
    )
    WAITING_FOR_RUN = (
        "WaitingForRun",
        "A value comes from a run, as in fromRun, and that run or experiment has not ended yet.",
    )
    DEPENDENCY_NOT_READY = (
        "DependencyNotReady",
        "Something that the resource refers to, or names in lifecycle.dependsOn, is not Ready. The message names it; the resource goes on by itself once that is Ready.",
    )
    REFERENCE_MISSING = (
        "ReferenceMissing",
        "The spec names a resource that is not declared. The message says which field and which name.",
    )
    OUTSIDE_PROJECT = (
        "OutsideProject",
        "The namespace of the resource is not one of its Project's spec.namespaces, or it refers to a resource of another project. Nothing is done for it.",
    )
    RUNTIME_MISSING = (
        "RuntimeMissing",
        "The Runtime that the spec names is not declared, or the Project does not list it.",
    )
    RUNTIME_NOT_APPROVED = (
        "RuntimeNotApproved",
        "The Runtime is not approved, or not for this provider. The platform team approves it by spec.approved of the Runtime.",
    )
    PROVIDER_MISSING = (
        "ProviderMissing",
        "No provider is named by the resource or its Project, and none is the default, or the one that is named is not declared or not allowed.",
    )
    PROVIDER_UNAVAILABLE = (
        "ProviderUnavailable",
        "The provider does not answer, refuses its credentials or cannot work on this machine. Nothing is destroyed because of it.",
    )
    RATE_LIMITED = (
        "RateLimited",
        "The provider asked to be called less often, or the limit of its provider object is reached. All workers wait together; nothing fails because of it.",
    )
    MODEL_MISSING = (
        "ModelMissing",
        "The provider has no model of that id, or nothing is served under that alias. The message says which.",
    )
    NOT_IMPLEMENTED_YET = (
        "NotImplementedYet",
        "The kind is recorded and validated, but this version of WorkbenchX does nothing for it.",
    )
    INVALID = (
        "Invalid",
        "The document is refused by validation. The last good version stays in force; the message says what would be right.",
    )
    CONFLICT = (
        "Conflict",
        "Two sources, or a source and a person, claim the same resource or the same name at a provider.",
    )
    HELD = (
        "Held",
        "A change of the resource waits for a person, because it would destroy more than the brakes allow or would destroy data. `wbx confirm TOKEN` lets it happen.",
    )
    DRIFTED = (
        "Drifted",
        "A declared field differs at the provider. Nothing is changed until the difference is adopted by a commit, or reverted by `wbx resume --revert`.",
    )
    ROLL_BACK_PROPOSED = (
        "RollBackProposed",
        "The version in force failed, and a pull request of FixBot proposes to go back to the last good one. Nothing of it is tried until that is merged or closed, another version is declared, or `wbx resume` says so.",
    )
    SUSPENDED = (
        "Suspended",
        "lifecycle.suspend or a person says that nothing is to be done for the resource. `wbx resume` or a commit ends it.",
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        "The quota of the Project or of one of its members is used up; the resource goes on when something else ends.",
    )
    BUDGET_EXCEEDED = (
        "BudgetExceeded",
        "The forecast or the metered cost would pass the monthly budget of the Project, in USD.",
    )
    PRICE_MISSING = (
        "PriceMissing",
        "The provider file gives no price for what the resource asks, so its cost cannot be bounded and it is refused.",
    )
    FAILED = (
        "Failed",
        "The command ended with an exit code other than 0 or by a signal, and no retry is left.",
    )
    START_FAILED = (
        "StartFailed",
        "The command never started: it is not there, its environment could not be made, or its input could not be staged.",
    )
    TIMED_OUT = ("TimedOut", "The process tree was ended at the deadline that spec.timeout set.")
    CANCELLED = ("Cancelled", "A person ended the run and the provider confirmed it.")
    LOST = (
        "Lost",
        "The sandbox of the run is surely gone and nobody knows how its command ended. It is not started again, unless retries allow it.",
    )
    OUT_OF_MEMORY = (
        "OutOfMemory",
        "The process tree was ended because it passed the memory limit of spec.resources.memory or of its Runtime.",
    )
    DISK_FULL = ("DiskFull", "The sandbox or the machine ran out of disk space.")
    OUTPUT_MISSING = (
        "OutputMissing",
        "The command ended well but a declared output was not there, or was not a regular file in the working folder.",
    )
    ARTIFACT_MISSING = (
        "ArtifactMissing",
        "Bytes that the resource needs are not in storage: an artifact of a model, or an input of a run.",
    )
    DIGEST_MISMATCH = (
        "DigestMismatch",
        "Bytes do not have the sha256 that is declared or recorded for them. They are not used.",
    )
    ARTIFACT_REMOVED = (
        "ArtifactRemoved",
        "The bytes were removed because spec.retention of the Project says so. Row, sha256 and events are kept; `wbx reproduce` makes them again.",
    )
    LINK_REFUSED = (
        "LinkRefused",
        "A signed link to an artifact is over, was changed, or belongs to another installation. Ask for a new one.",
    )
    SECRET_MISSING = (
        "SecretMissing",
        "A secret that the spec refers to is not set where the worker looks. The message names the reference, never a value.",
    )
    CODE_MISSING = (
        "CodeMissing",
        "The repository, revision or path of the code is not there, so no run of it can start.",
    )
    INPUT_MISSING = (
        "InputMissing",
        "An input that the spec names has no such path inside it, or its place in the working folder is taken.",
    )
    RUNTIME_UNAVAILABLE = (
        "RuntimeUnavailable",
        "The provider cannot make the runtime: no such Python version, or a package cannot be installed. The message has the first cause.",
    )
    SANDBOX_UNAVAILABLE = (
        "SandboxUnavailable",
        "The provider cannot make or reach a sandbox at the moment. It is tried again.",
    )
    SANDBOX_MISSING = (
        "SandboxMissing",
        "The sandbox that should be there is not, and was not removed by us.",
    )
    FORGE_UNAVAILABLE = (
        "ForgeUnavailable",
        "The forge (GitHub, Gitea) does not answer, or fails by itself. It is asked again.",
    )
    FORGE_REFUSED = (
        "ForgeRefused",
        "The forge refuses: the credential is wrong or lacks a right, or the repository is not there.",
    )
    PUSH_REFUSED = (
        "PushRefused",
        "FixBot pushes only to branches that it made itself, and never to the default branch.",
    )
    REGISTRY_UNAVAILABLE = (
        "RegistryUnavailable",
        "The registry of an image does not answer, so nothing is known of its digest. It is asked again.",
    )
    STORAGE_UNAVAILABLE = (
        "StorageUnavailable",
        "The storage cannot be written or read, as when its folder may not be used.",
    )
    DATABASE_UNAVAILABLE = (
        "DatabaseUnavailable",
        "The database does not answer. Nothing is lost: what was under way goes on when it does.",
    )
    SECRET_NOT_ALLOWED = (
        "SecretNotAllowed",
        "The spec refers to a secret that does not belong to its project.",
    )
    SNAPSHOT_FAILED = (
        "SnapshotFailed",
        "The code of the project, or the files of a session, could not be read to be stored.",
    )
    SNAPSHOT_TOO_LARGE = (
        "SnapshotTooLarge",
        "The folder of the project's code is larger than what may be staged; the message names the limit in bytes.",
    )
    INVALID_ARCHIVE = (
        "InvalidArchive",
        "An archive that is to be staged is damaged, or has a member that leads out of its folder.",
    )
    INVALID_PATH = (
        "InvalidPath",
        "A path leads out of the working folder, or is not a regular file.",
    )
    INVALID_DIGEST = ("InvalidDigest", "A text is not a sha256 of 64 lower-case hex digits.")
    INVALID_SPEC = (
        "InvalidSpec",
        "The provider refuses what it is asked for; the message says which part.",
    )
    NAME_TAKEN = (
        "NameTaken",
        "An object with the name that we use is at the provider already, and is another one.",
    )
    NOT_REPRODUCIBLE = (
        "NotReproducible",
        "The run cannot be executed again as it was: its code, an input or its order is not kept.",
    )
    UNHEALTHY = (
        "Unhealthy",
        "The app or session runs, but its health check does not succeed; or a revision of a ModelDeployment does not answer its probe.",
    )
    UNKNOWN = (
        "Unknown",
        "The provider could not be observed completely or lately. Unknown is not absent: nothing is made twice and nothing is destroyed.",
    )
    FETCHING = (
        "Fetching",
        "The Source has not applied a commit yet: a worker is about to fetch its repository.",
    )
    SOURCE_UNAVAILABLE = (
        "SourceUnavailable",
        "The git server of the Source does not answer. What was applied stays in force, and it is asked again with growing pauses.",
    )
    SOURCE_REFUSED = (
        "SourceRefused",
        "The repository, its branch or path is not there, the server refuses the credentials, or the commit holds what is not followed, as a submodule, or more than 64 MiB of YAML. The message has git's own words; what was applied stays in force.",
    )
    EDIT_REFUSED = (
        "EditRefused",
        "FixBot could not make the change, or try it out: the document stands in no file of the repository, its file cannot be edited where it stands, or the trial of it did not end. The finding says which.",
    )
    SIGNATURE_INVALID = (
        "SignatureInvalid",
        "`spec.verify` asks for signed commits, and the newest one is not signed by one of the keys. The message names the commit and the signer; what was applied stays in force.",
    )
    RETRIEVAL_OFF = (
        "RetrievalOff",
        "The texts of projects cannot be searched here: the database has no pgvector, or no embedder is installed. The message says which, and the way out.",
    )
    EMBEDDING_MISMATCH = (
        "EmbeddingMismatch",
        "A query was embedded by another model than the project is indexed by. Vectors of two models are never compared.",
    )
    API_UNAVAILABLE = (
        "ApiUnavailable",
        "The API that WBX_API_URL names, or its sign-in, does not answer or is overloaded. It is worth trying again.",
    )
    NOT_AN_API = (
        "NotAnApi",
        "What answers at WBX_API_URL is no WorkbenchX API, or not one that this version understands.",
    )
    API_FAILED = (
        "ApiFailed",
        "The API refused or failed without saying why in a form that is understood; the message has its status.",
    )
    NO_LEADER = (
        "NoLeader",
        "No process of the installation leads, so an order is recorded and nobody carries it out yet.",
    )
    INTERNAL_ERROR = (
        "InternalError",
        "A bug in WorkbenchX. It is tried again with growing pauses; the log has the details.",
    )
