-- name: living
-- Of a source, what is not over, the oldest first.
select id::text, source, fingerprint, rule, state, branch, attempt, title, number, url, head, snoozed_until, document
from ops.fix_proposals where source = %(source)s and state in ('open', 'handed_over', 'snoozed')
order by created_at, id;

-- name: begun
-- How many were made since then, whatever became of them.
select count(*) from ops.fix_proposals where source = %(source)s and created_at >= %(at)s;

-- name: propose
-- The attempt is counted over all that ever were: the branch of an older one may still be somebody's.
insert into ops.fix_proposals (source, fingerprint, rule, project_id, branch, attempt, title, run_id, document)
select %(source)s, %(fingerprint)s, %(rule)s, (select p.id from ops.projects p where p.name = %(project)s and p.deleted_at is null),
  case when before.number = 0 then %(branch)s else format('%%s-%%s', %(branch)s::text, before.number + 1) end,
  before.number + 1, %(title)s, %(run_id)s::uuid, %(document)s::jsonb
from (select count(*)::int as number from ops.fix_proposals where fingerprint = %(fingerprint)s) before
on conflict do nothing
returning id::text, source, fingerprint, rule, state, branch, attempt, title, number, url, head, snoozed_until, document;

-- name: opened
-- The pull request is there.
update ops.fix_proposals set head = %(head)s, number = %(number)s, url = %(url)s, updated_at = now() where id = %(id)s;

-- name: revise
-- It says something else now, or is about to.
update ops.fix_proposals set head = %(head)s, title = %(title)s, document = %(document)s::jsonb, updated_at = now()
where id = %(id)s;

-- name: conclude
-- Only if it is still what the caller knows: a person may have snoozed it in the meantime.
update ops.fix_proposals set state = %(state)s, snoozed_until = coalesce(%(until)s, snoozed_until), closed_at = now(), updated_at = now()
where id = %(id)s and state = %(was)s;

-- name: snooze
-- As ops.snooze does for callers.
update ops.fix_proposals set state = 'snoozed', snoozed_until = %(until)s::timestamptz, updated_at = now()
where id::text = %(id)s and state in ('open', 'snoozed') returning id;

-- name: note_waits
-- All of a source at once; what is noted already is not written again.
with told as (
  select f.*, p.id as project_id
  from unnest(%(fingerprints)s::text[], %(projects)s::text[], %(rules)s::text[], %(kinds)s::text[], %(namespaces)s::text[],
    %(names)s::text[], %(fields)s::text[], %(states)s::text[], %(whys)s::text[])
    as f (fingerprint, project, rule, kind, namespace, name, field, state, why)
  left join ops.projects p on p.name = f.project and p.deleted_at is null
  where f.project is null or p.id is not null
), gone as (
  delete from ops.fix_waits w where w.source = %(source)s and not exists (
    select 1 from told t where t.fingerprint = w.fingerprint)
)
insert into ops.fix_waits as w (source, fingerprint, project_id, rule, kind, namespace, name, field, state, why)
select %(source)s, fingerprint, project_id, rule, kind, namespace, name, field, state, why from told
on conflict (source, fingerprint) do update set project_id = excluded.project_id, state = excluded.state, why = excluded.why
where (w.project_id, w.state, w.why) is distinct from (excluded.project_id, excluded.state, excluded.why);

-- name: turn
-- Hold a source, if it is due and nobody does.
insert into ops.fix_turns as t (source, holder, lease_until)
values (%(source)s, %(holder)s, now() + make_interval(secs => %(lease)s))
on conflict (source) do update set holder = excluded.holder, lease_until = excluded.lease_until
where t.lease_until < now() and t.due_at <= now()
returning source;

-- name: keep_turn
-- Hold it longer; no row: somebody else has it. A lease that ran out while the machine was too busy is still ours if nobody took it.
update ops.fix_turns set lease_until = now() + make_interval(secs => %(lease)s)
where source = %(source)s and holder = %(holder)s returning source;

-- name: end_turn
-- Give it back until it is due again.
update ops.fix_turns set lease_until = '-infinity', due_at = now() + make_interval(secs => %(pause)s)
where source = %(source)s and holder = %(holder)s;

-- name: on
-- Whether FixBot is on for any project.
select exists(select 1 from ops.projects where deleted_at is null and spec #>> '{fixbot,enabled}' = 'true');
