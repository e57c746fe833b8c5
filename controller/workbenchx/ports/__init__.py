"""The seams: what the engine and the commands need from the world, as Protocols with their laws.

Owns: the contracts, one file a role, read as `ports.<Name>`. Imported by: engine, providers, store, forge and all below
them. Never: holds code that does something.

Adapters (providers/, store/, forge/) implement these and never meet each other; wiring/ picks them.
Laws common to every provider verb:

- Errors are only `errors.Stalled`, `errors.Waiting` or `errors.Conflict`; anything else is an adapter's bug.
- Every call has a time-out of its own and may be cancelled; a cancelled call leaves nothing half-written.
- `create` of what exists under the same name answers the existing object. `delete` of what is gone is a success.
- `observe` changes nothing outside, and answers one bulk look at everything that carries our tag.
- A vendor that asks to slow down (429, or a header that says nothing is left) is Waiting(reason="RateLimited") with the time
  that it names as `retry_after`. One that does not answer, fails by itself (5xx) or cuts the connection is
  Waiting(reason="ProviderUnavailable"). Neither says that the call had no effect. Other reasons are not the vendor's fault
  and count for no outage. The engine makes all workers obey both (`Gates`); an adapter retries nothing that makes something.
"""

from workbenchx.ports.access import Access, LogPart, Standing, Standings
from workbenchx.ports.answers import Alias, Answers, Ask, Ended, Places, Probes, Probing, Refused
from workbenchx.ports.asking import Asking, Ending, FixAnswers, KeptAnswer, Pace
from workbenchx.ports.audit import (
    Anchor,
    Anchoring,
    ChainVerdict,
    Entry,
    Pointer,
    Verification,
    Verifying,
)
from workbenchx.ports.clock import Clock
from workbenchx.ports.documents import Chunk, ChunkBatch, Documents, IndexCounts, IndexDue
from workbenchx.ports.embedding import Embedder
from workbenchx.ports.forges import (
    RERUN,
    Annotation,
    Deliveries,
    Delivery,
    FileChange,
    Forge,
    NewCommit,
    NewPull,
    Pull,
    Pushes,
    Registry,
    Report,
    Verdict,
)
from workbenchx.ports.gates import Breaker, Gate, Gates
from workbenchx.ports.inference import AnswerChunk, InferenceProvider, ServedModel
from workbenchx.ports.keeping import Cutoff, Due, Keeping, KeptLog
from workbenchx.ports.landing import (
    Account,
    Cluster,
    Inventory,
    Landed,
    Manifest,
    MergeBound,
    Placed,
)
from workbenchx.ports.proposals import NewProposal, Proposals, Proposed, Unproposed
from workbenchx.ports.reads import TREE, Reads, Row
from workbenchx.ports.repositories import Checkout, Codes, Repositories, Wanted
from workbenchx.ports.reviews import (
    BESIDE,
    CommitReport,
    DueReview,
    Review,
    Reviewable,
    Reviews,
    SourceStanding,
)
from workbenchx.ports.runners import Asked, Desk, Runner, Try
from workbenchx.ports.sandboxes import (
    INSTALLATION_TAG,
    KIND_TAG,
    METRICS_FILE,
    OUTPUT_LIMIT,
    RESOURCE_TAG,
    Capabilities,
    Executed,
    Observation,
    SandboxProvider,
    SandboxSpec,
    SandboxStatus,
    StagedFile,
)
from workbenchx.ports.secrets import Secrets
from workbenchx.ports.sources import (
    GIVEN,
    SYSTEM_NAMESPACE,
    Applied,
    Applying,
    Clones,
    Declarer,
    Fetched,
    Followed,
    Problem,
    Remote,
    Sources,
    SourceState,
)
from workbenchx.ports.storage import (
    LINK_LIMIT,
    PIN_LIMIT,
    Blob,
    Link,
    StorageProvider,
    Storages,
    Upload,
)
from workbenchx.ports.store import (
    Batch,
    Beat,
    ClaimedRun,
    Event,
    Installation,
    MirrorResult,
    Option,
    Outcome,
    RowWrite,
    RunOrder,
    Served,
    Store,
)

__all__ = [
    "BESIDE",
    "GIVEN",
    "INSTALLATION_TAG",
    "KIND_TAG",
    "LINK_LIMIT",
    "METRICS_FILE",
    "OUTPUT_LIMIT",
    "PIN_LIMIT",
    "RERUN",
    "RESOURCE_TAG",
    "SYSTEM_NAMESPACE",
    "TREE",
    "Access",
    "Account",
    "Alias",
    "Anchor",
    "Anchoring",
    "Annotation",
    "AnswerChunk",
    "Answers",
    "Applied",
    "Applying",
    "Ask",
    "Asked",
    "Asking",
    "Batch",
    "Beat",
    "Blob",
    "Breaker",
    "Capabilities",
    "ChainVerdict",
    "Checkout",
    "Chunk",
    "ChunkBatch",
    "ClaimedRun",
    "Clock",
    "Clones",
    "Cluster",
    "Codes",
    "CommitReport",
    "Cutoff",
    "Declarer",
    "Deliveries",
    "Delivery",
    "Desk",
    "Documents",
    "Due",
    "DueReview",
    "Embedder",
    "Ended",
    "Ending",
    "Entry",
    "Event",
    "Executed",
    "Fetched",
    "FileChange",
    "FixAnswers",
    "Followed",
    "Forge",
    "Gate",
    "Gates",
    "IndexCounts",
    "IndexDue",
    "InferenceProvider",
    "Installation",
    "Inventory",
    "Keeping",
    "KeptAnswer",
    "KeptLog",
    "Landed",
    "Link",
    "LogPart",
    "Manifest",
    "MergeBound",
    "MirrorResult",
    "NewCommit",
    "NewProposal",
    "NewPull",
    "Observation",
    "Option",
    "Outcome",
    "Pace",
    "Placed",
    "Places",
    "Pointer",
    "Probes",
    "Probing",
    "Problem",
    "Proposals",
    "Proposed",
    "Pull",
    "Pushes",
    "Reads",
    "Refused",
    "Registry",
    "Remote",
    "Report",
    "Repositories",
    "Review",
    "Reviewable",
    "Reviews",
    "Row",
    "RowWrite",
    "RunOrder",
    "Runner",
    "SandboxProvider",
    "SandboxSpec",
    "SandboxStatus",
    "Secrets",
    "Served",
    "ServedModel",
    "SourceStanding",
    "SourceState",
    "Sources",
    "StagedFile",
    "Standing",
    "Standings",
    "StorageProvider",
    "Storages",
    "Store",
    "Try",
    "Unproposed",
    "Upload",
    "Verdict",
    "Verification",
    "Verifying",
    "Wanted",
]
