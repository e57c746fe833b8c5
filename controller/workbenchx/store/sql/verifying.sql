-- name: prepare
-- What the anchors in storage say, for this session alone: memory of the server, not ours.
create temporary table anchored (run_id uuid not null, number bigint not null, events bigint not null, head bytea not null);

-- name: load
-- The entries of one anchor, by the thousand.
copy pg_temp.anchored (run_id, number, events, head) from stdin;

-- name: loaded
-- From here on it is asked by run.
create index on pg_temp.anchored (run_id);

-- name: loaded_statistics
-- A temporary table has none until somebody asks.
analyze pg_temp.anchored;

-- name: count
-- How much there is to do.
select (select count(*) from ops.runs where %(run_id)s::uuid is null or run_id = %(run_id)s),
  (select count(*) from ops.artifacts where key = 'sha256/' || sha256
   and (%(run_id)s::uuid is null or run_id::text = %(run_id)s::text));

-- name: chains
-- Walk the chains: recompute every batch from the rows as they are, and hold what comes out against every anchor. The
-- first thing that is wrong, per run: in the chain itself, or after the last event that an anchor still vouches for; also
-- where the row names an anchor that does not hold its head (that chain would never be anchored).
-- Written out here although ops_private.verify_chains walks them too: a function is its owner's to replace.
with chosen as materialized (
  select run_id, event_seq, event_hash, event_head, anchor from ops.runs
  where run_id > %(after)s::uuid and (%(run_id)s::uuid is null or run_id = %(run_id)s)
  order by run_id limit %(limit)s
), digested as materialized (
  select b.run_id, b.first_seq, b.last_seq, b.prev_hash, b.hash, count(e.seq) as found,
    sha256(b.prev_hash || coalesce(string_agg(
      sha256(convert_to(concat_ws(E'\n', e.seq, (extract(epoch from e.at) * 1000000)::bigint, e.type,
        coalesce(e.project_id::text, ''), e.data::text, e.actor), 'UTF8')), ''::bytea order by e.seq), '')) as computed,
    lag(b.hash, 1, ''::bytea) over w as expected_prev, lag(b.last_seq, 1, 0::bigint) over w as before
  from chosen c join ops.event_batches b using (run_id)
  left join ops.run_events e on e.run_id::text = b.run_id::text and e.seq between b.first_seq and b.last_seq
  group by b.run_id, b.first_seq, b.last_seq, b.prev_hash, b.hash
  window w as (partition by b.run_id order by b.first_seq)
), broken as (
  select run_id, min(case when before + 1 <> first_seq then before + 1 else first_seq end) as seq from digested
  where computed <> hash or prev_hash <> expected_prev or found <> last_seq - first_seq + 1 or before + 1 <> first_seq
  group by run_id
), loose as (
  select c.run_id, min(e.seq) as seq
  from chosen c join ops.run_events e on e.run_id::text = c.run_id::text and e.seq is not null
  where not exists (select 1 from ops.event_batches b
                    where b.run_id = c.run_id and e.seq between b.first_seq and b.last_seq)
  group by c.run_id
), ends as (
  select c.run_id, coalesce(max(d.last_seq), 0) as last_seq,
    (array_agg(d.hash order by d.first_seq desc))[1] as last_hash
  from chosen c left join digested d using (run_id) group by c.run_id
), vouched as (
  select a.run_id, coalesce(max(a.events) filter (where d.run_id is not null), 0) as good,
    min(a.events) filter (where d.run_id is null) as bad
  from pg_temp.anchored a join chosen c using (run_id)
  left join digested d on d.run_id = a.run_id and d.last_seq = a.events and d.hash = a.head
  group by a.run_id
), differs as (
  select a.run_id, coalesce(max(a.events) filter (where a.events < v.bad), 0) + 1 as seq
  from vouched v join pg_temp.anchored a using (run_id) where v.bad is not null group by a.run_id
)
select c.run_id::text, c.event_seq as events,
  least(b.seq, l.seq, f.seq, case
    when n.last_seq <> c.event_seq then least(n.last_seq, c.event_seq) + 1
    when coalesce(n.last_hash, '') <> c.event_hash or c.event_head <> c.event_hash then greatest(n.last_seq, 1)
    when c.anchor <= %(last)s and c.anchor <> all(%(lost)s::bigint[]) and coalesce(v.good, 0) <> c.event_seq
      then coalesce(v.good, 0) + 1
  end) as broken_at,
  coalesce(v.good, 0) as anchored, false as gone
from chosen c join ends n using (run_id) left join broken b using (run_id) left join loose l using (run_id)
left join vouched v using (run_id) left join differs f using (run_id)
order by c.run_id;

-- name: deleted
-- Runs that an anchor lists, or whose chain is there, and that are not recorded themselves.
select g.run_id::text, max(g.events), null::bigint, max(g.events) filter (where g.anchored), true from (
  select a.run_id, a.events, true as anchored from pg_temp.anchored a
  where not exists (select 1 from ops.runs r where r.run_id = a.run_id)
  union all
  select b.run_id, b.last_seq, false from ops.event_batches b
  where not exists (select 1 from ops.runs r where r.run_id = b.run_id)
) g where g.run_id > %(after)s::uuid and (%(run_id)s::uuid is null or g.run_id = %(run_id)s)
group by g.run_id order by g.run_id limit %(limit)s;

-- name: pointers
-- Ours, in the order of their digests: equal bytes are read once.
select id::text, run_id::text, name, sha256, removed_at is not null from ops.artifacts
where key = 'sha256/' || sha256 and (sha256, id::text) > (%(sha256)s, %(after)s)
  and (%(run_id)s::uuid is null or run_id::text = %(run_id)s::text)
order by sha256, id::text limit %(limit)s;

-- name: removed
-- Asked once more before bytes are called missing: retention goes on meanwhile.
select id::text from ops.artifacts where id::text = any(%(ids)s::text[]) and removed_at is not null;
