-- name: claim_lock
-- Claims follow each other, so that a provider's limit holds exactly; a claim takes a millisecond.
select pg_advisory_xact_lock(7762310005);

-- name: claim
-- Expired leases first, then the oldest due runs of each provider that has room. Providers are walked by a loose index
-- scan, so that a full one does not hide the others. Of one that is held or left alone none is taken, of one that is to be
-- tried again one.
with recursive queues(provider) as (
  (select provider from ops.runs where state = 'queued' order by provider limit 1)
  union all
  select (select r.provider from ops.runs r where r.state = 'queued' and r.provider > q.provider
          order by r.provider limit 1)
  from queues q where q.provider is not null
), limits as (
  select l.provider, min(l.most) as most from (
    select key as provider, value::integer as most from json_each_text(%(limits)s::json)
    union all
    select called, (spec #>> '{limits,concurrency}')::integer from ops.providers
    cross join lateral unnest(array[name, adapter]) called
    where deleted_at is null and kind = 'SandboxProvider' and spec #>> '{limits,concurrency}' ~ '^[0-9]{1,6}$'
  ) l group by l.provider
), gates as (
  select g.provider, case
      when g.held_until > statement_timestamp() or g.retry_at > statement_timestamp()
        or g.probe_until > statement_timestamp() then 0
      when g.opened_at is not null then 1 end as most
  from ops.provider_gates g
), room as (
  select q.provider, least(%(limit)s, g.most, coalesce(l.most - (
    select count(*) from ops.runs r where r.state = 'running' and r.provider = q.provider), %(limit)s)) as free
  from queues q left join limits l using (provider) left join gates g using (provider) where q.provider is not null
), expired as (
  select run_id, queued_at from ops.runs
  where state = 'running' and lease_until < statement_timestamp()
    and (cardinality(%(operations)s::text[]) = 0 or operation = any(%(operations)s::text[]))
  order by lease_until limit %(limit)s for update skip locked
), due as (
  select d.run_id, d.queued_at from room cross join lateral (
    select r.run_id, r.queued_at from ops.runs r
    where r.state = 'queued' and r.provider = room.provider and r.not_before <= statement_timestamp()
      and (cardinality(%(operations)s::text[]) = 0 or r.operation = any(%(operations)s::text[]))
    order by r.queued_at, r.run_id limit greatest(room.free, 0) for update skip locked
  ) d
), picked as (
  select run_id, queued_at, true as taken_over from expired
  union all
  select run_id, queued_at, false from due
  order by taken_over desc, queued_at, run_id limit %(limit)s
)
update ops.runs r set state = 'running', lease_owner = %(worker)s,
  lease_until = statement_timestamp() + make_interval(secs => %(lease)s), fencing = r.fencing + 1,
  claimed_at = statement_timestamp(), started_at = coalesce(r.started_at, statement_timestamp()),
  deadline = coalesce(r.deadline, statement_timestamp() + make_interval(secs => r.timeout_seconds))
from picked p where r.run_id = p.run_id
returning r.run_id::text, coalesce(r.kind, ''), r.namespace, coalesce(r.name, ''), coalesce(r.resource_uid::text, ''),
  (select name from ops.projects where id = r.project_id), r.operation, r.provider, r.document, r.attempt, r.fencing,
  p.taken_over, r.deadline, r.external_id, r.started_at, r.queued_at, r.traceparent,
  exists (select 1 from ops.sandbox_runs s where s.run_id = r.run_id and s.attempt = r.attempt),
  r.cancel_requested_at is not null;

-- name: beat
-- Only what is still held under the same token.
update ops.runs r set lease_until = statement_timestamp() + make_interval(secs => %(lease)s)
from unnest(%(ids)s::uuid[], %(fencings)s::bigint[]) as i(run_id, fencing)
where r.run_id = i.run_id and r.fencing = i.fencing and r.state = 'running' and r.lease_owner = %(worker)s
returning r.run_id::text, r.cancel_requested_at is not null;

-- name: start
-- The compare-and-set: the unique key (run_id, attempt) lets one in, once.
with started as (
  insert into ops.sandbox_runs (run_id, attempt, project_id, resource_uid, provider, external_id, command)
  select run_id, attempt, project_id, resource_uid, %(provider)s, %(external_id)s, %(command)s
  from ops.runs where run_id = %(run_id)s and fencing = %(fencing)s and state = 'running'
  for update
  on conflict (run_id, attempt) do nothing
  returning run_id
), ledger as (
  update ops.provider_objects o set updated_at = now(), state = 'exists' from started s
  where o.provider = %(provider)s and o.external_id = %(external_id)s and o.state = 'intended'
)
update ops.runs r set external_id = coalesce(r.external_id, %(external_id)s)
from started s where r.run_id = s.run_id
returning 1;

-- name: finish
-- The ends of any number of runs; a stale token matches nothing. Attempts and the ledger follow in the same statement.
-- What an execution cost, where nobody metered it: its rate for as long as its command ran.
with input as (
  select * from json_to_recordset(%(rows)s::json) as i(run_id uuid, fencing bigint, state text, reason text, message text,
    exit_code integer, metrics jsonb, cost numeric, started_at timestamptz, ended_at timestamptz)
), ended as (
  update ops.runs r set state = i.state, reason = i.reason, message = i.message, exit_code = i.exit_code,
    metrics = i.metrics, cost = case when i.cost > 0 or r.operation <> 'execute' then i.cost else
      round(r.cost_estimate * greatest(0, extract(epoch from coalesce(i.ended_at, now()) - coalesce(i.started_at, r.started_at, now()))) / 3600, 6) end,
    started_at = coalesce(i.started_at, r.started_at),
    ended_at = coalesce(i.ended_at, now()), lease_owner = null, lease_until = null
  from input i where r.run_id = i.run_id and r.fencing = i.fencing and r.state = 'running'
  returning r.run_id, r.attempt, r.kind, r.resource_uid, r.operation, r.state, r.reason, r.exit_code, r.started_at,
    r.ended_at, r.cost
), attempts as (
  update ops.sandbox_runs s set state = e.state, reason = e.reason, exit_code = e.exit_code,
    started_at = e.started_at, ended_at = e.ended_at
  from ended e where s.run_id = e.run_id and s.attempt = e.attempt and s.ended_at is null
), ledger as (
  update ops.provider_objects o set updated_at = now(), state = 'exists'
  from ended e where o.run_id = e.run_id and o.state = 'intended' and e.state = 'succeeded'
)
select run_id::text, kind, resource_uid::text, cost from ended;

-- name: keep_artifacts
-- Pointers of ended runs; the same output again is the same pointer.
insert into ops.artifacts (run_id, project_id, name, bucket, key, bytes, media_type, sha256, storage, created_at)
select i.run_id, r.project_id, i.name, i.bucket, i.key, i.bytes, i.media_type, i.sha256, nullif(i.storage, ''), now()
from json_to_recordset(%(rows)s::json) as i(run_id uuid, name text, bucket text, key text, bytes bigint, media_type text,
  sha256 text, storage text)
join ops.runs r on r.run_id = i.run_id
on conflict ((run_id::text), name) where key = 'sha256/' || sha256 do update set bucket = excluded.bucket, key = excluded.key, bytes = excluded.bytes,
  media_type = excluded.media_type, sha256 = excluded.sha256, storage = excluded.storage, removed_at = null;

-- name: merge_facts
-- What a run found out about its resource; a change of the living object or revision is history.
with input as (
  select * from json_to_recordset(%(rows)s::json) as i(id uuid, run_id uuid, facts jsonb, unset text[])
), old as (
  select t.id, t.external_id, t.facts ->> 'revision' as revision from {table} t
  where t.id in (select id from input) for update
), merged as (
  update {table} t set facts = (t.facts || i.facts) - i.unset, updated_at = now(), last_run_id = i.run_id,
    external_id = case when i.facts ? 'external_id' then i.facts ->> 'external_id'
                       when 'external_id' = any(i.unset) then null else t.external_id end,
    provider = case when i.facts ? 'external_id' then (select r.provider from ops.runs r where r.run_id = i.run_id)
                    when 'external_id' = any(i.unset) then null else t.provider end
  from input i where t.id = i.id
  returning t.*, i.run_id
)
insert into ops.resource_history (uid, kind, namespace, name, project_id, action, declared_hash, generation, state, ready,
  reason, external_id, revision, "commit", run_id)
select m.id, m.kind, m.namespace, m.name, m.project_id, 'outcome', m.declared_hash, m.generation, m.state, m.ready, m.reason,
  m.external_id, m.facts ->> 'revision', m.source_commit, m.run_id
from merged m join old o using (id)
where (m.external_id, m.facts ->> 'revision') is distinct from (o.external_id, o.revision);

-- name: measure_cells
-- The metrics of a cell are its latest succeeded run's.
update ops.experiment_runs t set metrics = i.metrics
from json_to_recordset(%(rows)s::json) as i(id uuid, metrics jsonb) where t.id = i.id;

-- name: requeue
-- Back to the queue: the lease is given up, the deadline stays; unless the provider cannot be called, or a secret is not
-- there yet, and nothing was started.
update ops.runs r set state = 'queued', lease_owner = null, lease_until = null, reason = %(reason)s, message = %(message)s,
  not_before = now() + make_interval(secs => %(delay)s),
  deadline = case when %(reason)s not in ('RateLimited', 'ProviderUnavailable', 'SecretMissing') or exists (
    select 1 from ops.sandbox_runs s where s.run_id = r.run_id and s.attempt = r.attempt) then deadline end
where run_id = %(run_id)s and fencing = %(fencing)s and state = 'running'
returning 1;

-- name: release
-- Their leases are over now: the next claim takes the runs up where they are.
update ops.runs set lease_until = '-infinity' where state = 'running' and lease_owner = %(worker)s;

-- name: cancel
-- What no worker ever held ends at once; what one holds or held is told to. Callers' orders do the same.
select ops_private.cancel_runs(%(ids)s::uuid[], %(because)s, %(actor)s);

-- name: resolve
-- A run by its id or the beginning of it.
select run_id::text, state from ops.runs where run_id::text like %(prefix)s || '%%' order by run_id desc limit 2;
