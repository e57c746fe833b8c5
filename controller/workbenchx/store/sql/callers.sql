-- name: become
-- Who asks, for this transaction alone; read only cannot be taken back once something was read.
select set_config('role', %(role)s, true), set_config('request.jwt.claims', %(claims)s, true),
  set_config('transaction_read_only', %(read_only)s, true);

-- name: login
-- Whether the login could do more than its callers: row-level security would not bind it, or it is the engine.
select rolname, rolsuper or rolbypassrls or pg_has_role(oid, 'service_role', 'member') or pg_has_role(oid, (
    select nspowner from pg_catalog.pg_namespace where nspname = 'ops'), 'member')
from pg_catalog.pg_roles where rolname = session_user;
