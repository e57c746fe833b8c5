"""The operator: custom resources into `ops.declared`, the engine, and what is recorded back as their status.

One process, its own event loop, and a thread in which kopf watches:

    watching (kopf) ─┐                                        ┌─ reporting ── client ── /status
    listing ─────────┴─ source ── cache ── mirroring ── ops.declared ── engine ── statuses

`source` is the seam: everything behind it takes batches of changes and does not know where they come from. `cache` holds
what the API server has, in as few bytes as the decisions need. Two replicas run all of it; only the leader (the row
`ops.leader`) writes, to the database and to the API server alike. Nothing is ever taken for deleted because it is
missing from a list that was not read to its end.

Who wakes whom: a batch from `source` wakes `mirroring` (declare), `finalizing` (put the finalizer on) and `reporting` (somebody
changed a status); a declaration wakes the engine, as each NOTIFY does; a pass that is committed goes to `reporting` (what
each object is to say) and to `finalizing` (what may be released). A pass always plans the whole world: what one update
costs grows with the number of objects. `standing` answers the probes, `permissions` is what an account needs.

Imported by the command line alone, when it is used. It never speaks to a provider, to storage or to git, and holds no
credential of theirs: workers do that.
"""
