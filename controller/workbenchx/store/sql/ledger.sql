-- name: record
-- What became of it. An object that no intent knows gets a row of its own.
insert into ops.provider_objects as o (provider, external_id, state)
select %(provider)s, external_id, %(state)s from unnest(%(ids)s::text[]) as i(external_id)
on conflict (provider, external_id) do update set state = excluded.state, updated_at = now()
where o.state <> excluded.state;

-- name: known_again
-- The ledger lost a row (as when an older copy of the database was brought back) that a living resource or an open run still
-- explains: it is written anew.
insert into ops.provider_objects as o (provider, external_id, kind, resource_uid, run_id, project_id, state)
select %(provider)s, i.external_id, v.kind, v.id, v.last_run_id, v.project_id, 'exists'
from unnest(%(ids)s::text[]) as i(external_id) join ops.resources v on v.external_id = i.external_id
where v.provider = %(provider)s or v.provider like %(provider)s || ' (%%'
union
select %(provider)s, i.external_id, coalesce(r.kind, ''), r.resource_uid, r.run_id, r.project_id, 'exists'
from unnest(%(ids)s::text[]) as i(external_id)
join ops.runs r on r.external_id = i.external_id and r.provider = %(provider)s and r.state in ('queued', 'running')
on conflict (provider, external_id) do update set state = 'exists', kind = excluded.kind, updated_at = now(), found_at = null,
  resource_uid = excluded.resource_uid, run_id = excluded.run_id, project_id = excluded.project_id
where o.state = 'quarantined';

-- name: quarantine
-- Since when, and what its tags say that it is.
insert into ops.provider_objects as o (provider, external_id, kind, resource_uid, state, found_at)
select %(provider)s, i.external_id, i.kind, i.resource_uid, 'quarantined', statement_timestamp()
from json_to_recordset(%(rows)s::json) as i(external_id text, kind text, resource_uid uuid)
on conflict (provider, external_id) do update set state = 'quarantined', found_at = excluded.found_at, updated_at = now()
where o.state = 'gone' and o.found_at is not null;

-- name: tell
-- The look that saw it was told before it was known to be a stray.
select pg_notify('ops_changed', '');

-- name: standing
-- Live: an open run, or a living resource that names this very object. Otherwise its time is over. What nobody knows has a
-- day in which somebody may explain it; a session, what does not say what it is, and what we let go stay until retire names it.
select o.external_id, case
  when o.state = 'quarantined' and exists (
    select 1 from ops.providers p where p.deleted_at is null and p.kind = 'SandboxProvider' and p.adapter = o.provider
      and p.spec -> 'retire' ? o.external_id) then 'condemned'
  when o.state = 'quarantined' and o.kind not in ('', 'Session')
    and o.found_at < statement_timestamp() - interval '24 hours' then 'condemned'
  when o.state = 'quarantined' then 'quarantined'
  when exists (select 1 from ops.runs r where r.run_id = o.run_id and r.state in ('queued', 'running')) then 'live'
  when exists (select 1 from ops.resources v where v.id = o.resource_uid and v.external_id = o.external_id) then 'live'
  when exists (select 1 from ops.runs r where r.external_id = o.external_id and r.state in ('queued', 'running')
               and r.resource_uid = o.resource_uid) then 'live'
  else 'ended' end
from ops.provider_objects o
where o.provider = %(provider)s and o.external_id = any(%(ids)s);

-- name: begin_look
-- Also the lock: two looks at one provider follow each other. An older look than the recorded one says nothing new, and
-- would take what was made meanwhile for gone.
insert into ops.observation_epochs as e (provider, number, complete, at)
values (%(provider)s, 1, %(complete)s, %(at)s)
on conflict (provider) do update set number = e.number + 1, complete = excluded.complete, at = excluded.at
where e.at <= excluded.at or e.at > statement_timestamp() -- of a clock that was ahead
returning number;

-- name: looked_at
-- The last look at each provider, whoever looked.
select provider, at from ops.observation_epochs;

-- name: see
-- Only what differs is written, so that a quiet look wakes nobody. The health of what runs is not the provider's to say.
with input as (
  select i.external_id, i.resource_uid, i.state, i.url, i.exit_code, i.reason,
    case when i.state = 'running' and o.fields ? 'healthy'
      then i.fields || jsonb_build_object('healthy', o.fields -> 'healthy') else i.fields end as fields
  from json_to_recordset(%(rows)s::json) as i(external_id text, resource_uid uuid, state text, fields jsonb, url text,
    exit_code integer, reason text)
  left join ops.observations o on o.provider = %(provider)s and o.external_id = i.external_id
), changed as (
  select i.* from input i left join ops.observations o
    on o.provider = %(provider)s and o.external_id = i.external_id
  where o.external_id is null or (o.resource_uid, o.state, o.fields, o.url, o.exit_code, o.reason)
    is distinct from (i.resource_uid, i.state, i.fields, i.url, i.exit_code, i.reason)
)
insert into ops.observations (provider, external_id, resource_uid, project_id, state, fields, url, exit_code, reason, number,
  seen_at)
select %(provider)s, c.external_id, c.resource_uid,
  (select o.project_id from ops.provider_objects o where o.provider = %(provider)s and o.external_id = c.external_id),
  c.state, c.fields, c.url, c.exit_code, c.reason, %(number)s, %(at)s
from changed c
on conflict (provider, external_id) do update set resource_uid = excluded.resource_uid, project_id = excluded.project_id,
  state = excluded.state, fields = excluded.fields, url = excluded.url, exit_code = excluded.exit_code,
  reason = excluded.reason, number = excluded.number, seen_at = excluded.seen_at;

-- name: served
-- Running apps whose latest bringing up had a health check. No word on their health yet: they became Ready by a good answer.
select a.provider, a.external_id,
  rtrim(coalesce(a.facts -> 'urls' ->> (h.health ->> 'port'), a.facts ->> 'url'), '/') || (h.health ->> 'path'),
  (h.health ->> 'interval')::double precision, (h.health ->> 'timeout')::double precision, (h.health ->> 'failures')::integer,
  coalesce((o.fields ->> 'healthy')::boolean, true)
from ops.app_deployments a
join ops.observations o on o.provider = a.provider and o.external_id = a.external_id and o.state = 'running'
cross join lateral (
  select r.document -> 'health' as health from ops.runs r
  where r.resource_uid = a.id and r.operation in ('create', 'replace') and r.state = 'succeeded'
  order by r.run_id desc limit 1
) h
where a.deleted_at is null and a.facts ->> 'url' is not null and jsonb_typeof(h.health) = 'object';

-- name: health
-- Written only where it says something new.
update ops.observations set fields = fields || jsonb_build_object('healthy', %(healthy)s::boolean)
where provider = %(provider)s and external_id = %(id)s
  and (fields ->> 'healthy')::boolean is distinct from %(healthy)s;

-- name: unsee
-- Only a complete look proves that something is gone.
delete from ops.observations where provider = %(provider)s and not external_id = any(%(ids)s);

-- name: gone
-- A complete look did not see it and no run is at work on it: it is gone, also if nobody lived to say so.
update ops.provider_objects o set state = 'gone', updated_at = now()
where o.provider = %(provider)s and o.state in ('intended', 'exists', 'quarantined') and not o.external_id = any(%(ids)s)
  and not exists (select 1 from ops.runs r where r.resource_uid = o.resource_uid and r.state in ('queued', 'running'));
