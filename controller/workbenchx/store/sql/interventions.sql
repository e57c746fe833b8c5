-- name: record
-- An order waits for the engine, but for what takes effect at once.
insert into ops.interventions (verb, kind, namespace, name, project_id, args, actor, applied_at)
select %(verb)s, %(kind)s, %(namespace)s, %(name)s,
  (select v.project_id from ops.resources v
   where v.kind = %(kind)s and v.namespace = %(namespace)s and v.name = %(name)s),
  %(args)s::jsonb, %(actor)s, case when %(at_once)s then now() end
returning id::text;
