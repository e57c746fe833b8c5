-- name: snapshot
-- All that follows sees one moment.
set transaction isolation level repeatable read, read only;

-- name: declared
-- The planner's declared input. Specs as text: many are read at once.
select kind, namespace, name, project, spec::text, hash, source, repo, "commit", path, line, problem, owner
from ops.declared;

-- name: mirrored
-- Absence means something only if every source was read whole.
select source, epoch, complete from ops.declared_epochs;

-- name: code
-- The snapshots of code that the sources' projects run.
select c.key, c.value ->> 'sha256', c.value ->> 'commit' from ops.declared_epochs e cross join jsonb_each(e.code) c
order by e.at, e.source;

-- name: recorded
-- All tables of resources in one look. A spec that equals the declared one is not sent twice.
select r.kind, r.namespace, r.name, r.id::text, p.name, case when d.hash is null then r.spec end, r.declared_hash, r.state,
  r.ready, r.reason, r.message, r.external_id, r.provider, r.last_run_id::text, r.source, r.source_repo, r.source_commit,
  r.source_path, r.source_line,
  case when r.facts <> '{}' then r.facts end, r.owned, r.generation, r.updated_at
from ops.resources r
left join ops.projects p on p.id = r.project_id and r.kind <> 'Project'
left join ops.declared d on d.kind = r.kind and d.namespace = r.namespace and d.name = r.name
  and d.hash = r.declared_hash and d.hash <> '';

-- name: executions
-- For each living resource its latest runs (all tries of its latest order, at least twenty), whatever is open, what a Model
-- names, and what ran at the times of a backfill. A run bears its resource's name of today: a rename is no reason to run anything again. Reproductions only
-- count for the number of the next attempt.
with living as (
  select id, kind, namespace, name from ops.sessions where deleted_at is null
  union all select id, kind, namespace, name from ops.runner_jobs where deleted_at is null
  union all select id, kind, namespace, name from ops.experiment_runs where deleted_at is null
  union all select id, kind, namespace, name from ops.app_deployments where deleted_at is null
  union all select id, kind, namespace, name from ops.model_deployments where deleted_at is null
), recent as (
  select h.run_id from living l
  cross join lateral (select r.tries from ops.runs r where r.resource_uid = l.id and r.operation <> 'reproduce'
                      order by r.attempt desc, r.queued_at desc limit 1) latest
  cross join lateral (select r.run_id from ops.runs r where r.resource_uid = l.id and r.operation <> 'reproduce'
                      order by r.attempt desc, r.queued_at desc limit greatest(20, latest.tries)) h
  union
  select last.run_id from living l
  cross join lateral (select r.run_id from ops.runs r where r.resource_uid = l.id
                      order by r.attempt desc, r.queued_at desc limit 1) last
  union
  select run_id from ops.runs where state in ('queued', 'running') and resource_uid is not null
  union
  select r.run_id from ops.declared d
  cross join lateral jsonb_path_query(d.spec, '$.versions[*].fromRun') as v(run)
  join ops.runs r on r.run_id = case when v.run #>> '{}' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                                     then (v.run #>> '{}')::uuid end
  where d.kind = 'Model'
  union
  select r.run_id from json_to_recordset(%(backfills)s::json)
    as b(namespace text, name text, first timestamptz, last timestamptz)
  join ops.runner_jobs j on (j.namespace, j.name) = (b.namespace, b.name) and j.deleted_at is null
  join ops.runs r on r.resource_uid = j.id and r.scheduled_for between b.first and b.last
)
select r.run_id::text, coalesce(l.kind, r.kind), coalesce(l.namespace, r.namespace), coalesce(l.name, r.name), r.operation, r.state, r.execution_hash, r.attempt, r.tries, r.reason,
  r.message, r.exit_code, r.external_id, r.queued_at, r.started_at, r.ended_at, r.scheduled_for, r.metrics,
  case when r.state = 'succeeded' then
    (select jsonb_object_agg(a.name, a.sha256) from ops.artifacts a
     where a.run_id::text = r.run_id::text and a.name <> 'log' and a.key = 'sha256/' || a.sha256) end,
  r.cancel_requested_at is not null
from recent join ops.runs r using (run_id) left join living l on l.id = r.resource_uid;

-- name: observed
-- What the latest looks saw.
select provider, external_id, coalesce(resource_uid::text, ''), state, fields, url, exit_code, reason from ops.observations;

-- name: epochs
-- How far to trust them.
select provider, complete, at, number from ops.observation_epochs;

-- name: strays
-- What lies in quarantine because no row explains it.
select o.provider, o.external_id, o.kind, o.found_at, v.fields from ops.provider_objects o
join ops.observations v using (provider, external_id) where o.state = 'quarantined' and o.found_at is not null;

-- name: outages
-- The providers that are left alone because they do not answer.
select provider, message from ops.provider_gates where opened_at is not null;

-- name: probes
-- How revisions of ModelDeployments answered their health questions; nothing is said of one that passes.
select deployment_id::text, revision, case when passed then '' else message end from ops.model_probes where probed_at is not null;

-- name: holds
-- Versions that a pull request, which is open, proposes to go back from.
select f ->> 'kind', f ->> 'namespace', f ->> 'name', f ->> 'holds'
from ops.fix_proposals p cross join lateral jsonb_array_elements(p.document -> 'findings') f
where p.state in ('open', 'handed_over') and p.rule = 'roll-back' and p.number is not null and f ->> 'holds' <> ''
order by p.created_at;

-- name: interventions
-- What people ordered and what has not taken effect yet.
select id::text, verb, kind, namespace, name, args, at, actor from ops.interventions where applied_at is null;

-- name: destroyed
-- The recent past, for the brakes. What was forgotten was not destroyed. A person confirmed what went in the transaction in
-- which a confirmation took effect, or by a run that was ordered there; one that fitted no plan ends with the window.
with confirmed as materialized (
  select applied_at from ops.interventions
  where verb = 'confirm' and applied_at > %(since)s::timestamptz - interval '1 day'
    and applied_at - at <= now() - %(since)s::timestamptz
)
select p.name, h.kind, h.valid_from, h."commit",
  h.valid_from in (select applied_at from confirmed) or exists (
    select 1 from ops.runs r join confirmed c on c.applied_at = r.queued_at
    where r.resource_uid = h.uid and r.operation = 'delete')
from ops.resource_history h left join ops.projects p on p.id = h.project_id
where h.deleted and h.action <> 'forget' and h.valid_from > %(since)s::timestamptz;

-- name: declared_part
-- As "declared", of some keys.
select d.kind, d.namespace, d.name, d.project, d.spec, d.hash, d.source, d.repo, d."commit", d.path, d.line, d.problem,
  d.owner
from jsonb_to_recordset(%(keys)s) as k(kind text, namespace text, name text)
join ops.declared d using (kind, namespace, name);

-- name: recorded_part
-- As "recorded", of some keys.
select r.kind, r.namespace, r.name, r.id::text, p.name, r.spec, r.declared_hash, r.state, r.ready, r.reason, r.message,
  r.external_id, r.provider, r.last_run_id::text, r.source, r.source_repo, r.source_commit, r.source_path, r.source_line,
  case when r.facts <> '{}' then r.facts end, r.owned, r.generation, r.updated_at
from jsonb_to_recordset(%(keys)s) as k(kind text, namespace text, name text)
cross join lateral (
  select * from ops.resources one where one.kind = k.kind and one.namespace = k.namespace and one.name = k.name
) r
left join ops.projects p on p.id = r.project_id and r.kind <> 'Project';
