-- name: kept
-- Of some causes of a source what is known; due: it may be asked (again).
select cause, state, tries, message, alias, document,
  state = 'asked' and tries < %(tries)s and asked_at <= now() - make_interval(secs => %(again)s)
from ops.fix_answers where source = %(source)s and cause = any(%(causes)s);

-- name: ask
-- Before a model is asked: one of all who want to ask about a cause may, within the cap of its project's day.
insert into ops.fix_answers as a (source, cause, project_id, kind, namespace, name, alias)
select %(source)s, %(cause)s, p.id, %(kind)s, %(namespace)s, %(name)s, %(alias)s from ops.projects p
where p.name = %(project)s and p.deleted_at is null
  and (select coalesce(sum(d.tries), 0) from ops.fix_answers d
       where d.project_id = p.id and d.asked_at > now() - interval '1 day') < %(daily)s
on conflict (source, cause) do update
set tries = a.tries + 1, asked_at = now(), alias = excluded.alias, message = ''
where a.state = 'asked' and a.tries < %(tries)s and a.asked_at <= now() - make_interval(secs => %(again)s)
returning cause;

-- name: keep
-- What came of it. What was never sent is no try, and may be asked at once.
update ops.fix_answers set state = %(state)s, message = %(message)s, document = %(document)s::jsonb,
  tries = tries - case when %(sent)s then 0 else 1 end, asked_at = case when %(sent)s then asked_at else '-infinity' end
where source = %(source)s and cause = %(cause)s and state = 'asked';

-- name: code
-- What was executed: the sha256 of the code that a run got.
select document #>> '{code,sha256}' from ops.runs where run_id = %(run_id)s;

-- name: tail
-- The end of the recorded output of a run's latest attempt.
with own as (
  select c.start_offset, c.start_offset + octet_length(c.data) as ends, c.data from ops.runs r
  join ops.log_chunks c on c.run_id = r.run_id and c.attempt = r.attempt and c.day = (r.queued_at at time zone 'UTC')::date
  where r.run_id = %(run_id)s
)
select start_offset, data from own where ends > (select max(ends) from own) - %(most)s order by start_offset;
