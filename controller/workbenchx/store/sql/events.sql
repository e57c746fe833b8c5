-- name: append
-- Number, digest, chain and write the events of any number of runs: the runs' rows are the lock of their chains. The
-- digest is written out here and in verify, because a function would cost more than the hash. Only the actor may hold
-- a line break, and it comes last.
with input as materialized (
  select * from rows from (json_to_recordset(%(events)s::json) as (run_id uuid, type text, actor text, project text,
    data jsonb)) with ordinality as e(run_id, type, actor, project, data, nr)
), chained as materialized (
  select run_id, event_seq, event_hash, project_id from ops.runs
  where run_id in (select run_id from input) order by run_id for update
), numbered as materialized (
  select i.run_id, c.event_seq + row_number() over (partition by i.run_id order by i.nr) as seq, now() as at, i.type,
    i.actor, coalesce(p.id, c.project_id) as project_id, coalesce(i.data, jsonb_build_object()) as data
  from input i join chained c using (run_id)
  left join ops.projects p on p.name = i.project and p.deleted_at is null
), batches as materialized (
  select n.run_id, min(n.seq) as first_seq, max(n.seq) as last_seq, c.event_hash as prev_hash, c.project_id,
    sha256(c.event_hash || string_agg(
      sha256(convert_to(concat_ws(E'\n', n.seq, (extract(epoch from n.at) * 1000000)::bigint, n.type,
        coalesce(n.project_id::text, ''), n.data::text, n.actor), 'UTF8')), ''::bytea order by n.seq)) as hash
  from numbered n join chained c using (run_id)
  group by n.run_id, c.event_hash, c.project_id
), written as (
  insert into ops.run_events (run_id, seq, at, type, actor, project_id, data)
  select run_id, seq, at, type, actor, project_id, data from numbered
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
