-- name: clock
-- The database's time decides what is past; ids rise with time, so the first row is the earliest.
select now() as now, (select valid_from from ops.resource_history order by id limit 1) as first;

-- name: commits
-- The commits that begin so, each with the end of its latest time as the current one of its source (null: it is).
select distinct on (c."commit") c."commit", c.at,
  (select n.at from ops.declared_commits n where n.source = c.source and n.id > c.id order by n.id limit 1) as until
from ops.declared_commits c where c."commit" like %(prefix)s || '%%'
order by c."commit", c.id desc limit 2;

-- name: resources_at
-- What lived at a time, with what its document said then; names of projects and experiments are today's.
select a.kind, a.id::text as uid, a.namespace, a.name, case when a.kind = 'Project' then null else p.name end as project,
  a.state, a.ready, a.reason, a.external_id, a.generation, a.declared_hash, a.revision, a."commit", a.run_id::text, a.spec,
  a.valid_from, e.name as parent, coalesce(c.cost, 0) as cost, d.spec as declared_spec, d.problem,
  d.path as source_path, d.line as source_line,
  (select n.valid_from from ops.resource_history n where n.uid = a.id and n.valid_from > %(at)s
   order by n.valid_from, n.id limit 1) as valid_until,
  (select o.valid_from from ops.resource_history o where o.uid = a.id order by o.valid_from, o.id limit 1) as created_at
from ops.resources_at(%(at)s) a
left join ops.projects p on p.id = a.project_id
left join ops.experiment_runs x on x.id = a.id
left join ops.experiments e on e.id = x.experiment_id
left join (select resource_uid, sum(cost) as cost from ops.runs where cost > 0 and ended_at <= %(at)s
           group by resource_uid) c on c.resource_uid = a.id
left join lateral (select h.* from ops.declared_history h
                   where h.kind = a.kind and h.namespace = a.namespace and h.name = a.name and h.valid_from <= %(at)s
                   order by h.valid_from desc, h.id desc limit 1) d on not d.deleted
where (%(kind)s::text is null or a.kind = %(kind)s) and (%(namespace)s::text is null or a.namespace = %(namespace)s)
  and (%(name)s::text is null or a.name = %(name)s) and (%(project)s::text is null or p.name = %(project)s)
  and (%(after)s::text[] is null
       or (a.kind, a.namespace, a.name) > ((%(after)s::text[])[1], (%(after)s::text[])[2], (%(after)s::text[])[3]))
order by a.kind, a.namespace, a.name limit %(limit)s;
