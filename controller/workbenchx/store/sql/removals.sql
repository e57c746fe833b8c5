-- name: retentions
-- Of dead projects too: their bytes grow old like others.
select id::text, spec -> 'retention' from ops.projects where spec -> 'retention' is not null;

-- name: due
-- A log, what a session left when it went, or an output: each has its own time.
select d.id, d.run_id, d.name, d.sha256, d.bytes, d.project_id, d.sort, d.created_at from (
  select a.id::text as id, a.run_id::text as run_id, a.name, a.sha256, a.bytes, c.project_id::text as project_id, a.created_at,
    case when r.operation in ('execute', 'reproduce') or r.operation is null
         then case when a.name = 'log' then 'logs' else 'artifacts' end
         else 'snapshots' end as sort, c.artifacts, c.logs, c.snapshots
  from unnest(%(projects)s::uuid[], %(artifacts)s::timestamptz[], %(logs)s::timestamptz[], %(snapshots)s::timestamptz[])
    as c(project_id, artifacts, logs, snapshots)
  join ops.artifacts a on a.project_id = c.project_id and a.removed_at is null
    and a.created_at < greatest(c.artifacts, c.logs, c.snapshots) and a.key = 'sha256/' || a.sha256
  left join ops.runs r on r.run_id = case when a.key = 'sha256/' || a.sha256 then a.run_id::text::uuid end
) d
where d.created_at < case d.sort when 'logs' then d.logs when 'artifacts' then d.artifacts else d.snapshots end
  and (%(after_at)s::timestamptz is null or (d.created_at, d.id) > (%(after_at)s::timestamptz, %(after_id)s::text))
order by d.created_at, d.id limit %(limit)s;

-- name: needed
-- Who names these bytes beside pointers: what is declared or recorded of Models, Datasets and Sessions, orders of open
-- runs, orders that keep an app or a session up, code that a run was made with, roots. The walk over all runs is made only when something is about to go.
with asked as materialized (
  select unnest(%(digests)s::text[]) as sha256
), told as (
  select spec::text || facts::text as words from ops.models where deleted_at is null
  union all select spec::text || facts::text from ops.datasets where deleted_at is null
  union all select spec::text || facts::text from ops.sessions where deleted_at is null
  union all select spec::text from ops.declared where kind in ('Model', 'Dataset', 'Session') and spec is not null
  union all select document::text from ops.runs where state in ('queued', 'running')
  union all select r.document::text from ops.app_deployments d join ops.runs r on r.run_id = d.last_run_id
    where d.deleted_at is null
  union all select r.document::text from ops.sessions s join ops.runs r on r.run_id = s.last_run_id
    where s.deleted_at is null
  union all select code::text from ops.declared_epochs
), named as (
  select distinct found[1] as sha256 from told cross join lateral regexp_matches(words, '[0-9a-f]{64}', 'g') as found
)
select a.sha256 from asked a
where a.sha256 in (select sha256 from named)
   or a.sha256 in (select root from ops.anchors)
   or a.sha256 in (select r.document #>> '{code,sha256}' from ops.runs r
                   where r.document #>> '{code,sha256}' = any(%(digests)s::text[]));

-- name: mark
-- The pointers stay, and say since when their bytes are gone. Those that another was faster with are not told twice.
update ops.artifacts set removed_at = now()
where id::text = any(%(ids)s::text[]) and removed_at is null and key = 'sha256/' || sha256
returning id::text, sha256, bytes;

-- name: intend
-- What is intended before it is done can be taken back, or done again after a crash.
insert into ops.removals (sha256, bytes, intended_at) select sha256, max(bytes), %(now)s
from unnest(%(digests)s::text[], %(sizes)s::bigint[]) as i(sha256, bytes) group by sha256
on conflict (sha256) do update set state = 'intended', intended_at = excluded.intended_at where removals.state = 'deleted';

-- name: removed
-- The latest of several.
select name, run_id::text, removed_at from ops.artifacts
where sha256 = any(%(digests)s::text[]) and removed_at is not null and key = 'sha256/' || sha256
order by removed_at desc limit 1;

-- name: pending
-- Some time passes between the intent and the deed: whoever read the pointer before has written what it needed it for.
select sha256 from ops.removals where state = 'deleting' or (state = 'intended' and intended_at < %(before)s)
order by intended_at limit %(limit)s;

-- name: begin
-- Against a new pointer it is the row's lock that decides (ops_private.keep_bytes). What was begun is done.
update ops.removals m set state = 'deleting'
where m.sha256 = any(%(digests)s::text[]) and (m.state = 'deleting' or (m.state = 'intended'
  and m.sha256 <> all(%(needed)s::text[]) and not exists (
    select 1 from ops.artifacts a where a.sha256 = m.sha256 and a.removed_at is null and a.key = 'sha256/' || a.sha256)))
returning m.sha256;

-- name: let_off
-- Somebody needs them after all.
delete from ops.removals where sha256 = any(%(digests)s::text[]) and state = 'intended' and deleted_at is null;

-- name: let_off_again
-- The same where the bytes were deleted and stored anew before.
update ops.removals set state = 'deleted' where sha256 = any(%(digests)s::text[]) and state = 'intended';

-- name: deleted
-- The row stays: a run that stored the same bytes before may not have ended yet.
update ops.removals set state = 'deleted', deleted_at = clock_timestamp()
where sha256 = any(%(digests)s::text[]) and state = 'deleting';

-- name: forget
-- Every run that was held then has ended or been claimed anew: it stores what it stores after the deletion.
delete from ops.removals m where m.state = 'deleted' and not exists (
  select 1 from ops.runs r where r.state = 'running' and coalesce(r.claimed_at, '-infinity') <= m.deleted_at);
