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
