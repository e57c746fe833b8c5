-- name: begin
-- The settle run; a second writing of the same batch finds it and changes nothing.
insert into ops.runs (run_id, operation, state, "commit", started_at, ended_at)
values (%(run_id)s, 'settle', 'succeeded', %(commit)s, now(), now())
on conflict (run_id) do nothing
returning 1;

-- name: park_names
-- Several renames of one table may pass names on to each other: first they all let go of the old ones.
update {table} set name = '~' || id where id = any(%(ids)s::uuid[]);

-- name: write_rows
-- New rows, changed rows and verdicts of one table, with their history: one statement, whatever their number. A row whose
-- spec is not sent has the one of ops.declared, if that is still the version meant; answers the ids of those it is not.
with sent as materialized (
  select * from json_to_recordset(%(rows)s::json) as r(
    id uuid, kind text, namespace text, name text, project text, declared_hash text, source text, repo text,
    "commit" text, path text, line integer, spec jsonb, action text,
    state text, ready boolean, reason text, message text, facts jsonb, unset text[])
), input as materialized (
  select s.id, s.kind, s.namespace, s.name, s.action, s.declared_hash, s.state, s.ready, s.reason, s.message, s.facts, s.unset,
    s.action is not null as has_row, s.state is not null as has_verdict, %(run_id)s::uuid as run_id,
    coalesce(s.spec, d.spec) as spec,
    case when s.spec is null then d.project else s.project end as project,
    case when s.spec is null then d.source else s.source end as source,
    case when s.spec is null then d.repo else s.repo end as repo,
    coalesce(case when s.spec is null then d."commit" else s."commit" end, %(commit)s) as "commit",
    case when s.spec is null then d.path else s.path end as path,
    case when s.spec is null then d.line else s.line end as line
  from sent s left join ops.declared d on s.spec is null and d.kind = s.kind and d.namespace = s.namespace
    and d.name = s.name and d.hash = s.declared_hash
  where s.action is null or s.spec is not null or d.spec is not null
), old as materialized (
  select t.id, t.project_id, t.namespace, t.name, t.declared_hash, t.generation, t.state, t.ready, t.reason, t.message,
    t.external_id, t.facts, t.source_commit
  from {table} t where t.id in (select id from input) for update
), next as materialized (
  select i.id, i.kind, i.has_row, i.source, i.repo, i.path, i.line, i.spec, i.run_id,
    case when i.has_row then i.action else 'verdict' end as action,
    o.id is null as is_new,
    case when not i.has_row then o.project_id when i.kind = 'Project' then i.id else p.id end as project_id,
    case when i.has_row then i.namespace else o.namespace end as namespace,
    case when i.has_row then i.name else o.name end as name,
    case when i.has_row then i.declared_hash else o.declared_hash end as declared_hash,
    case when i.has_row then i."commit" else o.source_commit end as source_commit,
    case when o.id is null then 1
         when i.has_row and i.declared_hash <> o.declared_hash then o.generation + 1
         else o.generation end as generation,
    case when i.has_verdict then i.state else coalesce(o.state, 'Pending') end as state,
    case when i.has_verdict then i.ready else coalesce(o.ready, false) end as ready,
    case when i.has_verdict then i.reason else coalesce(o.reason, '') end as reason,
    case when i.has_verdict then i.message else coalesce(o.message, '') end as message,
    case when i.facts ? 'external_id' then i.facts ->> 'external_id'
         when 'external_id' = any(i.unset) then null
         else o.external_id end as external_id,
    (coalesce(o.facts, jsonb_build_object()) || coalesce(i.facts, jsonb_build_object()))
      - coalesce(i.unset, array[]::text[]) as facts,
    o.declared_hash as old_hash, o.state as old_state, o.ready as old_ready, o.reason as old_reason,
    o.external_id as old_external_id, o.facts ->> 'revision' as old_revision, o.name as old_name
  from input i
  left join old o on o.id = i.id
  left join ops.projects p on p.name = i.project and p.deleted_at is null
), inserted as (
  insert into {table} (id, kind, project_id, namespace, name, declared_hash, state, ready, reason, message, external_id,
    last_run_id, source, source_repo, source_commit, source_path, source_line, spec, facts)
  select id, kind, project_id, namespace, name, declared_hash, state, ready, reason, message, external_id,
    run_id, source, repo, source_commit, path, line, spec, facts
  from next where is_new and has_row
), updated as (
  update {table} t set project_id = n.project_id, namespace = n.namespace, name = n.name,
    declared_hash = n.declared_hash, generation = n.generation, state = n.state, ready = n.ready, reason = n.reason,
    message = n.message, external_id = n.external_id, facts = n.facts, updated_at = now(), source_commit = n.source_commit,
    owned = t.owned or n.has_row,
    last_run_id = case when n.has_row then n.run_id else t.last_run_id end,
    source = case when n.has_row then n.source else t.source end,
    source_repo = case when n.has_row then n.repo else t.source_repo end,
    source_path = case when n.has_row then n.path else t.source_path end,
    source_line = case when n.has_row then n.line else t.source_line end,
    spec = case when n.has_row then n.spec else t.spec end
  from next n where t.id = n.id and not n.is_new
), told as (
  insert into ops.resource_history (uid, kind, namespace, name, project_id, action, declared_hash, generation, state, ready,
  reason, external_id, revision, "commit", run_id, spec)
  select id, kind, namespace, name, project_id, action, declared_hash, generation, state, ready, reason, external_id,
    facts ->> 'revision', source_commit, run_id,
    case when old_hash is distinct from declared_hash then spec end
  from next
  where (is_new and has_row) or (not is_new
    and (old_hash, old_state, old_ready, old_reason, old_external_id, old_revision, old_name)
      is distinct from (declared_hash, state, ready, reason, external_id, facts ->> 'revision', name))
)
select id::text from sent where action is not null and not exists (select 1 from input i where i.id = sent.id);

-- name: link_cells
-- The cells of a matrix know their experiment and their parameters.
update ops.experiment_runs t set experiment_id = i.parent, parameters = i.parameters
from json_to_recordset(%(rows)s::json) as i(id uuid, parent uuid, parameters jsonb)
where t.id = i.id;

-- name: take_in
-- Rows that name a project which was not there when they were written: without it their members do not see them.
update {table} t set project_id = p.id from ops.projects p
where p.id = any(%(ids)s::uuid[]) and p.deleted_at is null and t.spec ->> 'project' = p.name
  and t.deleted_at is null and t.project_id is distinct from p.id;

-- name: take_in_runs
-- The same of runs, which name their experiment.
update ops.experiment_runs t set project_id = e.project_id from ops.experiments e
where e.project_id = any(%(ids)s::uuid[]) and e.deleted_at is null and t.deleted_at is null
  and (t.experiment_id = e.id or (t.experiment_id is null and t.namespace = e.namespace and t.experiment = e.name))
  and t.project_id is distinct from e.project_id;

-- name: bury
-- Tombstones of one table, with their history.
with input as (
  select * from json_to_recordset(%(rows)s::json) as r(id uuid, action text)
), buried as (
  update {table} t set deleted_at = now(), updated_at = now(), ready = false, last_run_id = %(run_id)s
  from input i where t.id = i.id and t.deleted_at is null
  returning t.*, i.action
)
insert into ops.resource_history (uid, kind, namespace, name, project_id, action, declared_hash, generation, state, ready,
  reason, external_id, revision, "commit", run_id, deleted)
select id, kind, namespace, name, project_id, action, declared_hash, generation, state, false, reason, external_id,
  facts ->> 'revision', %(commit)s, %(run_id)s, true
from buried;

-- name: let_go
-- What is forgotten is left alone at its provider: the sweep does not touch it.
update ops.provider_objects set state = 'quarantined', updated_at = now()
where resource_uid = any(%(ids)s::uuid[]) and state in ('intended', 'exists');

-- name: remove_members
-- Memberships of the projects that this batch writes or buries.
delete from ops.project_members where project_id = any(%(ids)s::uuid[]);

-- name: write_members
-- As the Project in force declares them.
insert into ops.project_members (project_id, user_id, email, role)
select project_id, user_id, email, role
from json_to_recordset(%(rows)s::json) as r(project_id uuid, user_id uuid, email text, role text)
on conflict do nothing;

-- name: order_runs
-- Queue runs; the same order twice is one run. What a run will make is in the ledger from here on.
with input as (
  select * from json_to_recordset(%(rows)s::json) as i(run_id uuid, project text, operation text, kind text, namespace text,
    name text, resource_uid uuid, provider text, external_id text, attempt integer, tries integer, execution_hash text,
    document jsonb, timeout double precision, scheduled_for timestamptz, cost_estimate numeric, adapter text, object text)
), traced as (
  -- The latest order that waits and means this run: by the id that it promised, by the resource, or, confirming, by what
  -- is destroyed. One that has been in force for longer led to other runs.
  select distinct on (i.run_id) i.run_id, v.traceparent
  from input i
  join ops.interventions v on v.applied_at is null and v.traceparent is not null and v.at > now() - interval '10 minutes'
    and (v.args ->> 'new_run_id' = i.run_id::text
         or (not v.args ? 'new_run_id' and v.verb <> 'suspend'
             and (v.kind, v.namespace, v.name) = (i.kind, i.namespace, i.name))
         or (v.verb = 'confirm' and i.operation in ('delete', 'replace', 'stop')))
  order by i.run_id, v.kind is null, v.at desc
), queued as (
insert into ops.runs (run_id, project_id, operation, kind, namespace, name, resource_uid, provider, external_id, attempt,
  tries, execution_hash, document, timeout_seconds, scheduled_for, cost_estimate, "commit", traceparent)
select i.run_id, p.id, i.operation, i.kind, i.namespace, i.name, i.resource_uid, i.provider, i.external_id, i.attempt,
  i.tries, i.execution_hash, i.document, i.timeout, i.scheduled_for, i.cost_estimate, %(commit)s, t.traceparent
from input i left join ops.projects p on p.name = i.project and p.deleted_at is null left join traced t using (run_id)
on conflict do nothing
returning run_id, project_id
), intents as (
insert into ops.provider_objects as o (provider, external_id, kind, resource_uid, run_id, project_id)
select i.adapter, i.object, i.kind, i.resource_uid, i.run_id, q.project_id
from queued q join input i using (run_id) where i.object is not null
on conflict (provider, external_id) do update set run_id = excluded.run_id, updated_at = now()
)
select run_id::text from queued;

-- name: known_runs
-- Which of these are there already: an order that is repeated is no conflict.
select run_id::text from ops.runs where run_id = any(%(ids)s::uuid[]);

-- name: note_run
-- The resource names its latest run.
update {table} t set last_run_id = i.run_id
from json_to_recordset(%(rows)s::json) as i(id uuid, run_id uuid) where t.id = i.id;

-- name: apply_interventions
-- They took effect in this batch.
update ops.interventions set applied_at = now(), applied_run_id = %(run_id)s
where id = any(%(ids)s::uuid[]) and applied_at is null;
