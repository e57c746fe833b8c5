-- name: holders
-- Whoever holds a run, leads, or looks at a source: to find out which of them died.
select lease_owner from ops.runs where state = 'running' and lease_owner is not null and lease_until > now()
union
select holder from ops.leader where holder is not null and until > now()
union
select held_by from ops.source_states where held_until > now();

-- name: release_leadership
-- The epoch stays, so that what the dead one still sends is fenced by the next.
update ops.leader set holder = null, until = '-infinity' where holder = %(holder)s;

-- name: order_of
-- The order of a run that executed a command, with the resource's next attempt number.
select r.kind, r.namespace, r.name, r.resource_uid::text, (select p.name from ops.projects p where p.id = r.project_id),
  r.provider, r.document, r.execution_hash, r.timeout_seconds,
  (select max(o.attempt) + 1 from ops.runs o where o.resource_uid = r.resource_uid)
from ops.runs r where r.run_id = %(run_id)s and r.operation in ('execute', 'reproduce');
