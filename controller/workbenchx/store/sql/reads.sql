-- name: resources
-- The living, with the name of their project, their experiment, and what they cost so far. `after`: the last row's place.
-- A document that only moved, to another line or repository, has no new version: its place is that of the document.
with chosen as (
  select r.kind, r.id, r.namespace, r.name,
    case when r.kind = 'Project' then null else p.name end as project, r.state, r.ready, r.reason, r.message,
    r.last_run_id, r.external_id, r.provider, r.generation, r.declared_hash, r.owned, r.source, r.source_repo,
    r.source_commit, r.source_path, r.source_line, r.facts, r.created_at, r.updated_at
  from ops.resources r
  left join ops.projects p on p.id = r.project_id
  where (%(uid)s::uuid is null or r.id = %(uid)s)
    and (%(kind)s::text is null or r.kind = %(kind)s) and (%(namespace)s::text is null or r.namespace = %(namespace)s)
    and (%(name)s::text is null or r.name = %(name)s) and (%(project)s::text is null or p.name = %(project)s)
    and (%(after)s::text[] is null
         or (r.kind, r.namespace, r.name) > ((%(after)s::text[])[1], (%(after)s::text[])[2], (%(after)s::text[])[3]))
  order by r.kind, r.namespace, r.name limit %(limit)s
), costs as (
  select resource_uid, sum(cost) as cost from ops.runs
  where cost > 0 and resource_uid in (select id from chosen) group by resource_uid
)
select r.kind, r.id::text as uid, r.namespace, r.name, r.project, r.state, r.ready, r.reason, r.message,
  r.last_run_id::text, r.external_id, r.provider, e.name as parent, coalesce(c.cost, 0) as cost, r.generation,
  r.declared_hash, r.owned, coalesce(d.source, r.source) as source,
  case when d.source is null then r.source_repo else d.repo end as source_repo,
  case when d.source is null then r.source_commit else d."commit" end as source_commit,
  case when d.source is null then r.source_path else d.path end as source_path,
  case when d.source is null then r.source_line else d.line end as source_line, r.facts,
  r.created_at, r.updated_at, null::timestamptz as deleted_at
from chosen r
left join ops.declared d on d.kind = r.kind and d.namespace = r.namespace and d.name = r.name and d.hash = r.declared_hash
left join ops.experiment_runs x on x.id = r.id
left join ops.experiments e on e.id = x.experiment_id
left join costs c on c.resource_uid = r.id
order by r.kind, r.namespace, r.name;

-- name: shown
-- The living as a tree shows them, in no order: of the facts only those that it shows.
select r.kind, r.namespace, r.name, case when r.kind = 'Project' then null else p.name end as project, r.state, r.ready,
  r.reason, r.message, r.last_run_id::text, r.provider, r.facts ->> 'url' as url, e.name as parent,
  coalesce(c.cost, 0) as cost,
  case when r.facts ? 'provider' then jsonb_build_object('provider', r.facts -> 'provider') end as facts
from ops.resources r
left join ops.projects p on p.id = r.project_id
left join ops.experiment_runs x on x.id = r.id
left join ops.experiments e on e.id = x.experiment_id
left join (select resource_uid, sum(cost) as cost from ops.runs where cost > 0 group by resource_uid) c
  on c.resource_uid = r.id;

-- name: resource_detail
-- What a list leaves out.
select r.spec, r.conditions, x.parameters, x.metrics, d.problem, d.spec as declared_spec, d.hash as declared_now
from ops.resources r
left join ops.experiment_runs x on x.id = r.id
left join ops.declared d on d.kind = r.kind and d.namespace = r.namespace and d.name = r.name
where r.id = %(uid)s;

-- name: fields
-- One living resource as it is declared, as it is recorded, and what the latest look at its provider showed of it.
select d.spec as declared, r.spec as recorded, o.fields as observed
from ops.resources r
left join ops.declared d on d.kind = r.kind and d.namespace = r.namespace and d.name = r.name
left join lateral (select fields from ops.observations where resource_uid = r.id order by provider, external_id limit 1) o
  on true
where r.kind = %(kind)s and r.namespace = %(namespace)s and r.name = %(name)s;

-- name: standing
-- All that a member's policies look at, and the snapshot in which it is so.
select pg_current_snapshot()::text as version, case when ops_private.is_platform() then 'platform ' else '' end
  || array(select distinct project from ops_private.my_projects() as mine (project) order by project)::text as standing;

-- name: tree
-- All that lives, as much of it as a tree shows, as one document. Whoever reads it pays for its bytes, not for its rows.
select json_build_object('items', coalesce(json_agg(json_build_object('kind', r.kind, 'namespace', r.namespace,
  'name', r.name, 'project', case when r.kind <> 'Project' then p.name end, 'parent', e.name, 'state', r.state,
  'ready', r.ready, 'reason', r.reason, 'message', r.message) order by r.kind, r.namespace, r.name), '[]'))::text as document
from ops.resources r
left join ops.projects p on p.id = r.project_id
left join ops.experiment_runs x on x.id = r.id
left join ops.experiments e on e.id = x.experiment_id
where %(project)s::text is null or p.name = %(project)s;

-- name: installation
-- Which installation this is; no row for who may not see it.
select id::text, environment from ops.installation;

-- name: applied_migrations
-- What the database was brought up to; any caller may ask.
select ops_private.applied_migrations() as versions;

-- name: declared_specs
-- Declared identities with their specs, for checking references of a part of the tree: those that are declared outside it,
-- or that a Source follows from elsewhere.
select kind, namespace, name, spec from ops.declared
where (%(outside)s::text is null or path is null
       or not (path = %(outside)s or starts_with(path, %(outside)s || '/') or %(outside)s in ('', '.'))
       or source like '%%/%%')
  and (%(after)s::text[] is null
       or (kind, namespace, name) > ((%(after)s::text[])[1], (%(after)s::text[])[2], (%(after)s::text[])[3]))
order by kind, namespace, name limit %(limit)s;

-- name: declared_problems
-- Documents that are invalid as they stand.
select kind, namespace, name, project, source, path, line, problem, good from ops.declared
where problem is not null
  and (%(after)s::text[] is null
       or (coalesce(path, chr(1114111)), coalesce(line, 0), kind, namespace, name)
          > ((%(after)s::text[])[1], (%(after)s::text[])[2]::integer, (%(after)s::text[])[3], (%(after)s::text[])[4],
             (%(after)s::text[])[5]))
order by coalesce(path, chr(1114111)), coalesce(line, 0), kind, namespace, name limit %(limit)s;

-- name: runs
-- The latest first. Every filter is optional.
select r.run_id::text, p.name as project, r.operation, r.kind, r.namespace, r.name, r.resource_uid::text, r.provider,
  r.external_id, r.state, r.attempt, r.tries, r.execution_hash, r.lease_owner, nullif(r.lease_until, '-infinity') as lease_until, r.fencing, r.deadline,
  nullif(r.not_before, '-infinity') as not_before, r.scheduled_for, r.cancel_requested_at, r.exit_code, r.reason, r.message, r.metrics, r.cost_estimate,
  r.cost, r."commit", r.queued_at, r.queued_at as created_at, r.started_at, r.ended_at, r.event_seq as events
from ops.runs r left join ops.projects p on p.id = r.project_id
where (%(kind)s::text is null or r.kind = %(kind)s) and (%(namespace)s::text is null or r.namespace = %(namespace)s)
  and (%(name)s::text is null or r.name = %(name)s) and (%(project)s::text is null or p.name = %(project)s)
  and (%(states)s::text[] is null or r.state = any(%(states)s)) and (%(uid)s::uuid is null or r.resource_uid = %(uid)s)
  and (%(after)s::text[] is null
       or (r.queued_at, r.run_id) < ((%(after)s::text[])[1]::timestamptz, (%(after)s::text[])[2]::uuid))
order by r.queued_at desc, r.run_id desc limit %(limit)s;

-- name: run
-- One run with its order.
select r.run_id::text, p.name as project, r.operation, r.kind, r.namespace, r.name, r.resource_uid::text, r.provider,
  r.external_id, r.state, r.attempt, r.tries, r.execution_hash, r.lease_owner, nullif(r.lease_until, '-infinity') as lease_until, r.fencing, r.deadline,
  nullif(r.not_before, '-infinity') as not_before, r.scheduled_for, r.cancel_requested_at, r.exit_code, r.reason, r.message, r.metrics, r.cost_estimate,
  r.cost, r."commit", r.queued_at, r.queued_at as created_at, r.started_at, r.ended_at, r.event_seq as events,
  r.document, encode(r.event_head, 'hex') as event_head
from ops.runs r left join ops.projects p on p.id = r.project_id
where r.run_id = %(run_id)s;

-- name: events
-- In order.
select run_id::text, seq, at, type, actor, data from ops.run_events
where run_id::text = %(run_id)s::uuid::text and seq > %(after)s order by seq limit %(limit)s;

-- name: artifacts
-- The latest first, with the resource whose run made them. An adopted table also holds rows of others, whose run_id may be
-- anything.
select a.id::text, a.run_id::text, p.name as project, r.kind, r.namespace, r.name as owner, a.name, a.bucket, a.key, a.bytes,
  a.media_type, a.sha256, a.storage, a.created_at, a.removed_at
from ops.artifacts a
left join ops.runs r on r.run_id = case when a.key = 'sha256/' || a.sha256 then a.run_id::text::uuid end
left join ops.projects p on p.id = a.project_id
where a.key = 'sha256/' || a.sha256 and (%(run_id)s::uuid is null or a.run_id::text = %(run_id)s::uuid::text)
  and (%(word)s::text is null or a.id::text = %(word)s or a.sha256 = %(word)s or a.name = %(word)s
       or (length(%(word)s) >= 6 and (starts_with(a.id::text, %(word)s) or starts_with(a.sha256, %(word)s))))
  and (%(after)s::text[] is null or a.created_at < (%(after)s::text[])[1]::timestamptz
       or (a.created_at = (%(after)s::text[])[1]::timestamptz
           and (a.name, a.id::text) > ((%(after)s::text[])[2], (%(after)s::text[])[3])))
order by a.created_at desc, a.name, a.id::text limit %(limit)s;

-- name: sandbox_runs
-- Attempts of a run, or all.
select id::text, run_id::text, attempt, resource_uid::text, provider, external_id, command, state, reason, exit_code,
  started_at, ended_at
from ops.sandbox_runs where %(run_id)s::uuid is null or run_id = %(run_id)s order by started_at, attempt;

-- name: history
-- What was true when, the latest first; also of what no longer lives.
select h.action, h.name, h.declared_hash, h.generation, h.state, h.ready, h.reason, h.external_id, h.revision, h."commit",
  h.run_id::text, h.deleted, h.valid_from, h.valid_until, h.spec, h.uid::text, h.id
from ops.resource_timeline h
where h.uid in (select uid from ops.resource_history
                where kind = %(kind)s and namespace = %(namespace)s and name = %(name)s)
  and (%(after)s::text[] is null
       or (h.valid_from, h.id) < ((%(after)s::text[])[1]::timestamptz, (%(after)s::text[])[2]::bigint))
order by h.valid_from desc, h.id desc limit %(limit)s;

-- name: held
-- What waits for a person, and the latest plan that says for what.
select kind, namespace, name, state, reason, message from ops.resources
where (state = 'Held' or reason = 'Held')
  and (%(after)s::text[] is null
       or (kind, namespace, name) > ((%(after)s::text[])[1], (%(after)s::text[])[2], (%(after)s::text[])[3]))
order by kind, namespace, name limit %(limit)s;

-- name: leader
-- Who leads, and whether the lease is still good.
select holder, epoch, nullif(until, '-infinity') as until, holder is not null and until > now() as alive from ops.leader;

-- name: counts_open
-- What keeps an installation from being settled.
select
  count(*) filter (where operation not in ('execute', 'reproduce')) as reconciling,
  count(*) filter (where operation in ('execute', 'reproduce') and scheduled_for is null) as executing,
  count(*) filter (where operation in ('execute', 'reproduce') and scheduled_for is not null) as scheduled,
  count(*) filter (where state = 'queued' and not_before > now()) as waiting
from ops.runs where state in ('queued', 'running');

-- name: interventions
-- Orders, the latest first.
select id::text, verb, kind, namespace, name, args, actor, at, applied_at, applied_run_id::text from ops.interventions
where %(after)s::text[] is null or (at, id) < ((%(after)s::text[])[1]::timestamptz, (%(after)s::text[])[2]::uuid)
order by at desc, id desc limit %(limit)s;

-- name: plan
-- A kept plan by the beginning of its id, or the latest.
select id, destroy_token, complete, "commit", document, run_id::text, created_at, last_seen_at from ops.plans
where %(prefix)s::text is null or starts_with(id, %(prefix)s) order by last_seen_at desc limit 1;

-- name: my_plans
-- Kept plans as their caller may see them.
select id, destroy_token, complete, "commit", document, run_id::text, created_at, last_seen_at
from ops.plans_for_me(%(prefix)s, %(limit)s);

-- name: plans_page
-- The same, behind the last row's place.
select id, destroy_token, complete, "commit", document, run_id::text, created_at, last_seen_at
from ops.plans_page((%(after)s::text[])[1]::timestamptz, (%(after)s::text[])[2], %(limit)s);

-- name: proposals
-- The latest first, or one.
select f.id::text, f.fingerprint, p.name as project, f.state, f.title, f.branch, f.url, f.document, f.run_id::text,
  f.snoozed_until, f.created_at, f.updated_at, f.closed_at
from ops.fix_proposals f left join ops.projects p on p.id = f.project_id
where (%(id)s::uuid is null or f.id = %(id)s)
  and (%(after)s::text[] is null
       or (f.created_at, f.id) < ((%(after)s::text[])[1]::timestamptz, (%(after)s::text[])[2]::uuid))
order by f.created_at desc, f.id desc limit %(limit)s;

-- name: fix_answers
-- What models were asked about failed runs, the latest first; what was never sent (asked_at is -infinity) last.
select a.source, a.cause, p.name as project, a.kind, a.namespace, a.name, a.alias, a.state, a.tries, a.message,
  case when a.asked_at > '-infinity' then a.asked_at end as asked_at, r.run_id::text, r.cost, r.state as run_state,
  nullif(a.document -> 'reply', 'null') as reply
from ops.fix_answers a left join ops.projects p on p.id = a.project_id
left join ops.runs r on r.run_id::text = a.document ->> 'run_id'
where %(after)s::text[] is null
  or (a.asked_at, a.source, a.cause) < ((%(after)s::text[])[1]::timestamptz, (%(after)s::text[])[2], (%(after)s::text[])[3])
order by a.asked_at desc, a.source desc, a.cause desc limit %(limit)s;

-- name: deliveries
-- Webhooks that were put down, the latest first; of one Source, or only those that nobody has handled.
select forge, delivery_id as id, event, action, repository, source, number, branch, after_commit as "commit", context,
  received_at, handled_at, again_at, again_by
from ops.webhook_deliveries
where repository is not null and (%(source)s::text is null or source = %(source)s) and (handled_at is null or not %(waiting)s)
  and (%(after)s::text[] is null
       or (received_at, forge, delivery_id) < ((%(after)s::text[])[1]::timestamptz, (%(after)s::text[])[2], (%(after)s::text[])[3]))
order by received_at desc, forge desc, delivery_id desc limit %(limit)s;

-- name: delivery_tallies
-- Webhooks that were not put down, by why, what came last first. There are few sorts.
select forge, outcome, why, event, repository, source, times, first_at, last_at, last_id, last_repository
from ops.webhook_tallies where %(source)s::text is null or source = %(source)s
order by last_at desc, forge, outcome, why, event, repository limit %(limit)s;

-- name: fix_waits
-- What FixBot found and has no pull request for, the oldest first.
select w.source, w.fingerprint, p.name as project, w.rule, w.kind, w.namespace, w.name, w.field, w.state, w.why, w.since
from ops.fix_waits w left join ops.projects p on p.id = w.project_id
where %(after)s::text[] is null
  or (w.since, w.source, w.fingerprint) > ((%(after)s::text[])[1]::timestamptz, (%(after)s::text[])[2], (%(after)s::text[])[3])
order by w.since, w.source, w.fingerprint limit %(limit)s;
