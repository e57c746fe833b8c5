-- name: open
-- Whoever is first makes the row; all read the same one.
insert into ops.runners (name, tags, order_hash, work, deadline)
values (%(name)s, %(tags)s::jsonb, %(order_hash)s, %(work)s::jsonb, %(deadline)s)
on conflict (name) do nothing;

-- name: rows
-- One row, or all. Times are of this clock, so it tells its own.
select name, tags, order_hash, work, state, coalesce(left(encode(token_sha256, 'hex'), 12), ''), try_at, external_id,
  certificate, start_at, stop_reason, deadline, wishes, uploads, files, report, output_end, heartbeat_at,
  pull is not null, idle_since, now()
from ops.runners where %(name)s::text is null or name = %(name)s order by name;

-- name: try
-- A compare-and-set: of several workers one asks for a machine. What a machine staged before is gone with it.
update ops.runners set token_sha256 = sha256(convert_to(%(token)s, 'UTF8')), token_until = %(until)s, try_at = now(),
  work = %(work)s::jsonb, state = 'ordered', boot = null, certificate = null, external_id = null
where name = %(name)s and start_at is null and state <> 'ended' and stop_reason is null
  and (try_at is null or try_at < now() - make_interval(secs => %(lag)s));

-- name: bind
-- Which machine it is; or that the try made none, so that the next one need not wait.
update ops.runners set external_id = %(external_id)s, try_at = case when %(external_id)s::text is not null then try_at end
where name = %(name)s;

-- name: start
-- Once: whoever comes later changes nothing.
update ops.runners set sealed = %(sealed)s, start_at = now()
where name = %(name)s and state = 'staged' and start_at is null and stop_reason is null;

-- name: stop
-- The first reason counts.
update ops.runners set stop_reason = coalesce(stop_reason, %(reason)s) where name = %(name)s and state <> 'ended';

-- name: extend
-- The token must outlive the deadline by as much as before.
update ops.runners set deadline = %(deadline)s,
  token_until = greatest(token_until, token_until + (%(deadline)s - coalesce(deadline, %(deadline)s)))
where name = %(name)s and state <> 'ended';

-- name: sign
-- Beside those that were signed before.
update ops.runners set uploads = uploads || %(uploads)s::jsonb where name = %(name)s;

-- name: sign_in
-- To the machine that it was sealed for, and only until its files are in place.
update ops.runners set pull = %(sealed)s where name = %(name)s and certificate = %(certificate)s and state = 'claimed';

-- name: ask
-- Once for a key, of what was started.
insert into ops.runner_requests (name, key, asked)
select r.name, %(key)s, %(asked)s::jsonb from ops.runners r
where r.name = %(name)s and r.start_at is not null and (r.state <> 'ended' or %(after)s)
on conflict (name, key) do nothing;

-- name: asked
-- How far that is.
select answer from ops.runner_requests where name = %(name)s and key = %(key)s;

-- name: conclude
-- The runner's own word counts if it came first.
update ops.runners set state = 'ended', report = %(report)s::jsonb, sealed = null where name = %(name)s and state <> 'ended';

-- name: output
-- The chunk that holds the byte, and those behind it.
select at_byte, data from ops.runner_output
where name = %(name)s and at_byte >= coalesce((select max(at_byte) from ops.runner_output
  where name = %(name)s and at_byte <= %(offset)s), 0)
order by at_byte limit %(chunks)s;

-- name: remove
-- Its output goes with it.
delete from ops.runners where name = %(name)s;

-- name: claim
-- As the runner: see ops.runner_claim.
select ops.runner_claim(%(token)s, %(machine)s, %(certificate)s);

-- name: heartbeat
-- As the runner: see ops.runner_heartbeat.
select ops.runner_heartbeat(%(token)s, %(machine)s, %(says)s);

-- name: used
-- As the runner: see ops.runner_used.
select ops.runner_used(%(token)s, %(machine)s, %(says)s, %(idle_since)s);

-- name: logs
-- As the runner: see ops.runner_logs.
select ops.runner_logs(%(token)s, %(machine)s, %(at)s, %(data)s);

-- name: upload
-- As the runner: see ops.runner_upload.
select ops.runner_upload(%(token)s, %(machine)s, %(path)s, %(digest)s, %(size)s);

-- name: prove
-- As the runner: see ops.runner_prove.
select ops.runner_prove(%(token)s, %(machine)s, %(path)s, %(proof)s);

-- name: answer
-- As the runner: see ops.runner_answer.
select ops.runner_answer(%(token)s, %(machine)s, %(key)s, %(answer)s::jsonb);

-- name: finish
-- As the runner: see ops.runner_finish.
select ops.runner_finish(%(token)s, %(machine)s, %(report)s::jsonb, %(paths)s::text[]);
