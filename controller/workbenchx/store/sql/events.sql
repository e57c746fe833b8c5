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
    from ops.run_events e where e.run_id = f.run_id and e.seq >= f.first_seq
  ) b
), linked as (
  insert into ops.event_batches (run_id, first_seq, last_seq, prev_hash, hash, project_id)
  select run_id, first_seq, last_seq, prev_hash, hash, project_id from batches
)
update ops.runs r set event_seq = b.last_seq, event_hash = b.hash,
  event_head = case when r.ended_at is not null then b.hash end
from batches b where r.run_id = b.run_id;

-- name: verify
-- Walk the chains: recompute every batch from the rows as they are; the first thing that is wrong, per run.
with chosen as (
  select run_id, event_seq, event_hash, event_head from ops.runs
  where (%(ids)s::uuid[] is null and run_id > %(after)s) or run_id = any(%(ids)s::uuid[])
  order by run_id limit %(limit)s
), digested as (
  select b.run_id, b.first_seq, b.last_seq, b.prev_hash, b.hash, count(e.seq) as found,
    sha256(b.prev_hash || coalesce(string_agg(
      sha256(convert_to(concat_ws(E'\n', e.seq, (extract(epoch from e.at) * 1000000)::bigint, e.type,
        coalesce(e.project_id::text, ''), e.data::text, e.actor), 'UTF8')), ''::bytea order by e.seq), '')) as computed,
    lag(b.hash, 1, ''::bytea) over w as expected_prev, lag(b.last_seq, 1, 0::bigint) over w as before
  from chosen c join ops.event_batches b using (run_id)
  left join ops.run_events e on e.run_id = b.run_id and e.seq between b.first_seq and b.last_seq
  group by b.run_id, b.first_seq, b.last_seq, b.prev_hash, b.hash
  window w as (partition by b.run_id order by b.first_seq)
), broken as (
  select run_id, min(case when before + 1 <> first_seq then before + 1 else first_seq end) as seq from digested
  where computed <> hash or prev_hash <> expected_prev or found <> last_seq - first_seq + 1 or before + 1 <> first_seq
  group by run_id
), loose as (
  select c.run_id, min(e.seq) as seq from chosen c join ops.run_events e using (run_id)
  where not exists (select 1 from ops.event_batches b
                    where b.run_id = e.run_id and e.seq between b.first_seq and b.last_seq)
  group by c.run_id
), ends as (
  select c.run_id, coalesce(max(d.last_seq), 0) as last_seq,
    (select d2.hash from digested d2 where d2.run_id = c.run_id order by d2.first_seq desc limit 1) as last_hash
  from chosen c left join digested d using (run_id) group by c.run_id
)
select c.run_id::text, c.event_seq as events,
  coalesce(least(b.seq, l.seq), case
    when n.last_seq <> c.event_seq then least(n.last_seq, c.event_seq) + 1
    when coalesce(n.last_hash, '') <> c.event_hash or c.event_head <> c.event_hash then greatest(n.last_seq, 1)
  end) as broken_at
from chosen c join ends n using (run_id) left join broken b using (run_id) left join loose l using (run_id)
order by c.run_id;
