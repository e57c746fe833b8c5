-- name: follow
-- The repository that wbx up was given. Another one begins anew; the same one goes on where it was.
insert into ops.source_states as s (source, spec) values (%(source)s, %(spec)s::jsonb)
on conflict (source) do update set spec = excluded.spec, due_at = now(), ended_at = null,
  seen = case when s.spec = excluded.spec then s.seen end, applied = case when s.spec = excluded.spec then s.applied end,
  reason = '', message = '', failures = 0;

-- name: unfollow
-- What it declared stays: whoever is given next says what is declared.
update ops.source_states set ended_at = now(), applied = null, seen = null, held_by = null, held_until = null
where source = %(source)s and ended_at is null;

-- name: ask
-- A person or a webhook wants it to be looked at now.
update ops.source_states set asked_at = now(), due_at = now(), failures = 0 where source = %(source)s and ended_at is null;

-- name: ask_url
-- The same for whoever follows a repository.
update ops.source_states set asked_at = now(), due_at = now(), failures = 0
where ended_at is null and rtrim(regexp_replace(spec ->> 'url', '\.git/?$', ''), '/')
  = rtrim(regexp_replace(%(url)s, '\.git/?$', ''), '/');

-- name: states
-- For people.
select source, spec, seen, applied, applied_at, reason, message, details, polled_at, asked_at, ended_at is null
from ops.source_states where ended_at is null order by source;

-- name: enrol
-- Sources as they are recorded. What is suspended or refused is not due; what is new or changed is due at once.
insert into ops.source_states as s (source, namespace, name, project_id, uid, spec)
select r.namespace || '/' || r.name, r.namespace, r.name, r.project_id, r.id, r.spec
from ops.sources r where r.deleted_at is null and r.facts ->> 'follow' = 'true' and r.state <> 'Suspended'
on conflict (source) do update set project_id = excluded.project_id, uid = excluded.uid, spec = excluded.spec,
  due_at = now(), ended_at = null, failures = 0,
  applied = case when s.spec = excluded.spec and s.uid = excluded.uid and s.ended_at is null then s.applied end
where s.spec <> excluded.spec or s.uid is distinct from excluded.uid or s.ended_at is not null
  or s.project_id is distinct from excluded.project_id;

-- name: end
-- Sources that are no more. What they declared stays, and nothing waits for their readings.
with gone as (
  update ops.source_states s set ended_at = now(), held_by = null, held_until = null
  where s.ended_at is null and s.source like '%%/%%'
    and not exists (select 1 from ops.sources r where r.deleted_at is null and r.namespace = s.namespace and r.name = s.name)
  returning s.source
)
update ops.declared_epochs e set complete = true from gone g where e.source = g.source and not e.complete;

-- name: hear
-- wbx sync, and the same order through the API.
with heard as (
  update ops.interventions i set applied_at = now() where i.applied_at is null and i.verb = 'sync' returning namespace, name
)
update ops.source_states s set asked_at = now(), due_at = now(), failures = 0 from heard h
where s.namespace = h.namespace and s.name = h.name and s.ended_at is null;

-- name: hear_confirmed
-- What was held is let go by the order that names its token.
update ops.source_states s set due_at = now() from ops.interventions i
where i.verb = 'confirm' and i.applied_at is null and i.args ->> 'token' = s.details #>> '{held,token}' and s.due_at > now();

-- name: hear_decided
-- What waited until it was known what was reviewed.
update ops.source_states s set due_at = now() from ops.merge_bounds b
where jsonb_typeof(s.details -> 'undecided') = 'array' and b.source = s.source and b."commit" = s.applied and s.due_at > now();

-- name: due
-- Those that nobody holds, the longest due first.
update ops.source_states t set held_by = %(worker)s, held_at = now(), held_until = now() + make_interval(secs => %(lease)s)
where t.source in (
  select s.source from ops.source_states s
  left join ops.sources r on r.id = s.uid
  where s.ended_at is null and s.due_at <= now() and (s.held_until is null or s.held_until < now())
    and (r.id is null or (r.deleted_at is null and r.state <> 'Suspended' and r.facts ->> 'follow' = 'true'))
  order by s.due_at limit %(limit)s for update of s skip locked)
returning source, namespace, name, (select p.name from ops.projects p where p.id = t.project_id), spec, seen, applied, failures,
  reason <> '' or jsonb_typeof(details -> 'taken') = 'array' or exists (
    select 1 from ops.interventions i where i.verb = 'confirm' and i.at > now() - interval '1 hour'
      and i.args ->> 'token' = details #>> '{held,token}') or (
    jsonb_typeof(details -> 'undecided') = 'array' and exists (
      select 1 from ops.merge_bounds b where b.source = t.source and b."commit" = t.applied)), details;

-- name: next_due
-- When to look again, at the latest.
select extract(epoch from min(greatest(s.due_at, coalesce(s.held_until, s.due_at))) - now())::double precision
from ops.source_states s left join ops.sources r on r.id = s.uid
where s.ended_at is null
  and (r.id is null or (r.deleted_at is null and r.state <> 'Suspended' and r.facts ->> 'follow' = 'true'));

-- name: keep
-- The worker is still at it.
update ops.source_states set held_until = now() + make_interval(secs => %(lease)s)
where source = %(source)s and held_by = %(worker)s returning 1;

-- name: let_go
-- What a process held that is dead.
update ops.source_states set held_by = null, held_until = null where held_by = %(holder)s;

-- name: hold
-- The row of a look, if it is still ours, with what it said before.
select namespace, name, project_id::text, uid::text, reason, message, run_id::text, seen from ops.source_states
where source = %(source)s and held_by = %(worker)s for update;

-- name: quiet
-- The look found what is known and well.
update ops.source_states set polled_at = held_at, failures = 0, held_by = null, held_until = null,
  due_at = case when asked_at > held_at then now() else now() + make_interval(secs => %(pause)s) end
where source = %(source)s and held_by = %(worker)s and reason = '' and seen = %(seen)s returning 1;

-- name: looked
-- How the look ended. Who was asked meanwhile looks once more.
update ops.source_states set seen = coalesce(%(seen)s, seen), polled_at = held_at, reason = %(reason)s, message = %(message)s,
  seen_at = case when %(seen)s is distinct from seen then now() else seen_at end, run_id = coalesce(%(run_id)s::uuid, run_id),
  failures = case when %(failed)s then failures + 1 else 0 end, held_by = null, held_until = null,
  due_at = case when asked_at > held_at then now() else now() + make_interval(secs => %(pause)s) end
where source = %(source)s;

-- name: applied
-- The commit is in force.
update ops.source_states set seen = %(seen)s, applied = %(seen)s, polled_at = held_at, applied_at = now(), run_id = %(run_id)s::uuid,
  seen_at = case when %(seen)s is distinct from seen then now() else seen_at end, reason = '', message = '',
  details = %(found)s::jsonb, failures = 0, held_by = null, held_until = null,
  due_at = case when asked_at > held_at then now() else now() + make_interval(secs => %(pause)s) end
where source = %(source)s;

-- name: run
-- A look that changed something, or that failed in a new way, as a run that has ended.
insert into ops.runs (run_id, operation, kind, namespace, name, resource_uid, project_id, state, "commit", reason, message, started_at,
  ended_at)
values (%(run_id)s, 'sync', 'Source', %(namespace)s, %(name)s, %(uid)s, %(project)s, %(state)s, %(commit)s, %(reason)s, %(message)s,
  now(), now());

-- name: taken
-- What another source declares.
select d.kind, d.namespace, d.name, d.source from json_to_recordset(%(keys)s::json) as k(kind text, namespace text, name text)
join ops.declared d using (kind, namespace, name) where d.source <> %(source)s order by 1, 2, 3;

-- name: others
-- What is declared besides, for the checks of a whole repository.
select kind, namespace, name, spec from ops.declared where source <> %(source)s;

-- name: known
-- What sources saw, for the planner.
select namespace, name, spec, seen, applied, applied_at, reason, message, details from ops.source_states
where ended_at is null and name <> '';
