-- name: hold
-- Who holds the run has its row until the transaction ends.
select 1 from ops.runs where run_id = %(run_id)s and fencing = %(fencing)s and state = 'running' for update;

-- name: told
-- A statement of its own: it sees what was told while the row was waited for.
select 1 from ops.run_events where run_id::text = %(run_id)s and seq is not null and type = %(type)s limit 1;

-- name: append
-- Number, digest, chain and write the events of any number of runs; callers' orders are told the same way.
select ops_private.append_events(%(events)s::json);

-- name: lock
-- The ends of these chains, held until the transaction ends.
select run_id::text, event_seq, project_id::text from ops.runs
where run_id = any(%(ids)s::uuid[]) order by run_id for update;

-- name: projects
-- The living, by name.
select name, id::text from ops.projects where name = any(%(names)s::text[]) and deleted_at is null;

-- name: copy
-- Many events at once; the time is the transaction's.
copy ops.run_events (run_id, seq, type, actor, project_id, data) from stdin;

-- name: link
-- Chain what this transaction has copied: from each run's first new event on. The digest is that of append and verify.
with fresh as materialized (
  select r.run_id, i.first_seq, r.event_hash, r.project_id
  from unnest(%(ids)s::uuid[], %(firsts)s::bigint[]) as i(run_id, first_seq) join ops.runs r using (run_id)
), batches as materialized (
  select f.run_id, f.first_seq, f.event_hash as prev_hash, f.project_id, b.last_seq, b.hash
  from fresh f cross join lateral (
    select max(e.seq) as last_seq, sha256(f.event_hash || string_agg(
      sha256(convert_to(concat_ws(E'\n', e.seq, (extract(epoch from e.at) * 1000000)::bigint, e.type,
        coalesce(e.project_id::text, ''), e.data::text, e.actor), 'UTF8')), ''::bytea order by e.seq)) as hash
    from ops.run_events e where e.run_id::text = f.run_id::text and e.seq >= f.first_seq
  ) b
), linked as (
  insert into ops.event_batches (run_id, first_seq, last_seq, prev_hash, hash, project_id)
  select run_id, first_seq, last_seq, prev_hash, hash, project_id from batches
)
update ops.runs r set event_seq = b.last_seq, event_hash = b.hash,
  event_head = case when r.ended_at is not null then b.hash end
from batches b where r.run_id = b.run_id;

-- name: verify
-- Walk the chains: for callers those of the runs that they may see.
select run_id::text, events, broken_at from ops.verify_runs(%(ids)s::uuid[], %(after)s::uuid, %(limit)s);
