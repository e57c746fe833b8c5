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
