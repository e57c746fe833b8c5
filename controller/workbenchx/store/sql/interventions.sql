-- name: record
-- An order waits for the engine, but for what takes effect at once.
select ops_private.record_order(%(verb)s, %(kind)s, %(namespace)s, %(name)s,
  (select v.project_id from ops.resources v
   where v.kind = %(kind)s and v.namespace = %(namespace)s and v.name = %(name)s),
  %(args)s::jsonb, %(actor)s, %(at_once)s)::text;

-- name: carried_out
-- An order that is a run now.
update ops.interventions set applied_at = now(), applied_run_id = %(run_id)s where id = %(id)s and applied_at is null;
