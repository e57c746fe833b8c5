-- name: unreleased
-- Of objects on their way out, those of which something is at a provider or may still come to be there: an open run, or an
-- object in the ledger that is neither gone nor let go. The runs of a matrix count for their Experiment. From the few things
-- that are open to their names, since the dead have no index by name.
with open as materialized (
  select resource_uid as uid from ops.runs where state in ('queued', 'running') and resource_uid is not null
  union
  select resource_uid from ops.provider_objects where state in ('intended', 'exists') and resource_uid is not null
), whole as (
  select uid from open
  union
  select c.experiment_id from open join ops.experiment_runs c on c.id = open.uid where c.experiment_id is not null
), asked as (
  select * from json_to_recordset(%(keys)s::json) as k(kind text, namespace text, name text)
)
select distinct kind, namespace, name from asked join (
  select last.kind, last.namespace, last.name from whole w
  cross join lateral (select h.kind, h.namespace, h.name from ops.resource_history h where h.uid = w.uid
                      order by h.valid_from desc, h.id desc limit 1) last
) as held using (kind, namespace, name);
