-- name: ensure_day
-- A day's partition is made by a function of the owner: the engine may not make tables.
select ops_private.ensure_log_day((queued_at at time zone 'UTC')::date), (queued_at at time zone 'UTC')::date
from ops.runs where run_id = %(run_id)s;

-- name: append
-- The day is the run's, not today: the same chunk written again, even tomorrow, is the same row.
insert into ops.log_chunks (day, run_id, attempt, start_offset, project_id, data)
select (queued_at at time zone 'UTC')::date, run_id, %(attempt)s, %(offset)s, project_id, %(data)s
from ops.runs where run_id = %(run_id)s
on conflict do nothing;

-- name: end
-- Where the recorded output of an attempt ends.
select coalesce(max(c.start_offset + octet_length(c.data)), 0) from ops.runs r
left join ops.log_chunks c on c.run_id = r.run_id and c.attempt = %(attempt)s
  and c.day = (r.queued_at at time zone 'UTC')::date
where r.run_id = %(run_id)s;

-- name: read
-- From an offset on; the reader cuts the first chunk. Bounded, so that memory is.
select c.start_offset, c.data from ops.runs r
join ops.log_chunks c on c.run_id = r.run_id and c.attempt = r.attempt and c.day = (r.queued_at at time zone 'UTC')::date
where r.run_id = %(run_id)s and c.start_offset + octet_length(c.data) > %(offset)s
order by c.start_offset limit %(limit)s;

-- name: ensure_days
-- Partitions ahead of time: the first output of a day need not wait for a table.
select ops_private.ensure_log_day(d) from unnest(%(days)s::date[]) as d;

-- name: days
-- The days that have a partition.
select to_date(right(c.relname, 8), 'YYYYMMDD') from pg_catalog.pg_inherits i
join pg_catalog.pg_class c on c.oid = i.inhrelid
where i.inhparent = 'ops.log_chunks'::regclass and c.relname ~ '^log_chunks_[0-9]{8}$' order by 1;

-- name: unverified
-- Ended runs with output on that day whose log was not read back yet, with its pointer and where the output ends.
select r.run_id::text, r.attempt, a.sha256, a.bytes, a.removed_at is not null, c.size from (
  select run_id, attempt, max(start_offset + octet_length(data)) as size from ops.log_chunks
  where day = %(day)s and run_id > %(after)s::uuid group by run_id, attempt
) c join ops.runs r on r.run_id = c.run_id and r.attempt = c.attempt
left join ops.artifacts a on a.run_id::text = r.run_id::text and a.name = 'log' and a.key = 'sha256/' || a.sha256
where r.ended_at is not null and r.log_verified_at is null
order by r.run_id limit %(limit)s;

-- name: verified
-- They were read back whole.
update ops.runs set log_verified_at = now() where run_id = any(%(ids)s::uuid[]);

-- name: drop_day
-- By a function of the owner, which looks once more.
select ops_private.drop_log_day(%(day)s);
