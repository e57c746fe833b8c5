-- name: reserve
-- Any number of requests at once; a refusal has a reason.
select run_id::text, reason, message
from ops_private.reserve_answers(%(asked)s::json, %(holder)s, %(seconds)s) where reason is not null;

-- name: extend
-- Which of them may not go on.
select run_id::text, reason, message from ops_private.extend_answers(%(asked)s::json) where reason is not null;

-- name: keep
-- What is still held, and what somebody wants to end.
select run_id::text, cancelled from ops_private.keep_answers(%(ids)s::uuid[], %(seconds)s);

-- name: settle
-- Any number of ends at once; the same end twice is one.
select ops_private.settle_answers(%(ended)s::json);

-- name: expire
-- Those whose gateway is gone.
select ops_private.expire_answers();

-- name: not_at_once
-- What is lost with the server was set aside or is settled again: nothing waits for the disk.
set local synchronous_commit = off;

-- name: served
-- Every alias that something is, or was, served under.
select d.id::text, d.project_id::text, p.name, d.namespace, d.name, coalesce(d.alias, d.name), coalesce(d.facts -> 'serving', '[]'), d.message,
  d.spec -> 'probe',
  (select jsonb_object_agg(m.revision, jsonb_build_object('passed', m.passed, 'message', m.message,
     'due', m.due_at <= statement_timestamp())) from ops.model_probes m where m.deployment_id = d.id)
from ops.model_deployments d join ops.projects p on p.id = d.project_id and p.deleted_at is null
where d.deleted_at is null order by p.name, d.namespace, d.name;

-- name: as_caller
-- The engine looks with a caller's eyes, until the transaction ends.
select set_config('request.jwt.claims', %(claims)s, true);

-- name: visible
-- The engine reads past row-level security, so the caller's projects are asked for.
select id::text from ops.model_deployments
where deleted_at is null and project_id in (select ops_private.my_projects());

-- name: take_probes
-- Of the probes that are due those that nobody else took; each is due again a while from now.
insert into ops.model_probes as m (deployment_id, revision, project_id, due_at)
select deployment_id, revision, project_id, statement_timestamp() + make_interval(secs => seconds)
from json_to_recordset(%(asked)s::json) as i(deployment_id uuid, revision text, project_id uuid, seconds double precision)
order by 1, 2
on conflict (deployment_id, revision) do update set due_at = excluded.due_at where m.due_at <= statement_timestamp()
returning deployment_id::text, revision;

-- name: probed
-- How one was answered, and what that changed.
select ops_private.model_probed(%(deployment_id)s, %(revision)s, %(run_id)s, %(well)s, %(message)s, %(most)s);
