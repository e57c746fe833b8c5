-- name: become
-- Who asks, for this transaction alone; read only cannot be taken back once something was read.
select set_config('role', %(role)s, true), set_config('request.jwt.claims', %(claims)s, true),
  set_config('transaction_read_only', %(read_only)s, true), set_config('request.traceparent', %(trace)s, true);

-- name: one_moment
-- Before anything is read: what makes a plan must not see half of a change.
set transaction isolation level repeatable read;

-- name: moment
-- Which transactions this one sees: as long as the answer is the same, so is every other.
select pg_current_snapshot()::text;

-- name: mine
-- Whose documents the caller may plan: those of the own projects; the platform team's are all.
select ops_private.is_platform(), array(select ops_private.my_project_names());

-- name: intervene
-- The one door for orders: it checks the role, and tells what is wrong.
select ops.intervene(%(verb)s, %(kind)s, %(namespace)s, %(name)s, %(args)s::jsonb)::text;

-- name: rerun
-- The id that the new run will have.
select ops.rerun(%(run_id)s)::text;

-- name: login
-- Whether the login could do more than its callers: row-level security would not bind it, or it is the engine.
select rolname, rolsuper or rolbypassrls or pg_has_role(oid, 'service_role', 'member') or pg_has_role(oid, (
    select nspowner from pg_catalog.pg_namespace where nspname = 'ops'), 'member')
from pg_catalog.pg_roles where rolname = session_user;
