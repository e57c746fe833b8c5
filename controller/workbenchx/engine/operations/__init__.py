"""What a run does at a provider: one file per operation.

Each has `async perform(held) -> Done`. Law: performing it again after a kill at any line, by another worker, ends in
the same place; the user's command starts at most once per attempt.
"""

from workbenchx.engine.operations import (
    create,
    delete,
    execute,
    extend,
    replace,
    snapshot,
    stop,
)

BY_NAME = {
    "create": create.perform,
    "delete": delete.perform,
    "execute": execute.perform,
    "extend": extend.perform,
    "replace": replace.perform,
    "reproduce": execute.perform,
    "snapshot": snapshot.perform,
    "stop": stop.perform,
}
