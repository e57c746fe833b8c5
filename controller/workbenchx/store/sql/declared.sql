-- name: begin_epoch
-- Also the lock: two readings of one source follow each other.
insert into ops.declared_epochs as e (source, epoch, complete, "commit", code, at)
values (%(source)s, 1, %(complete)s, %(commit)s, %(code)s::jsonb, now())
on conflict (source) do update set epoch = e.epoch + 1, complete = excluded.complete,
  "commit" = excluded."commit", code = e.code || excluded.code, at = excluded.at
returning epoch;

-- name: standing
-- What the source says now; compared in the program, so that an unchanged tree sends nothing.
select kind, namespace, name, hash, project, path, line, problem, repo, metadata::text from ops.declared where source = %(source)s;

-- name: remove
-- Named rows of this source only.
with input as (select * from json_to_recordset(%(keys)s::json) as k(kind text, namespace text, name text))
delete from ops.declared d using input i
where d.kind = i.kind and d.namespace = i.namespace and d.name = i.name and d.source = %(source)s;

-- name: write
-- The first source keeps a name, until it is one that nobody follows any more. A row with a problem keeps the last good
-- document beside it.
insert into ops.declared as d (kind, namespace, name, project, spec, hash, metadata, problem, good, source, repo, "commit",
  path, line, epoch)
select i.kind, i.namespace, i.name, i.project, i.spec, i.hash, i.metadata, i.problem, i.problem is null, %(source)s, i.repo,
  i."commit", i.path, i.line, %(epoch)s
from json_to_recordset(%(rows)s::json) as i(kind text, namespace text, name text, project text, spec jsonb, hash text,
  metadata jsonb, problem text, repo text, "commit" text, path text, line integer)
on conflict (kind, namespace, name) do update set
  project = case when excluded.good or not d.good then excluded.project else d.project end,
  spec = case when excluded.good or not d.good then excluded.spec else d.spec end,
  hash = case when excluded.good or not d.good then excluded.hash else d.hash end,
  metadata = case when excluded.good or not d.good then excluded.metadata else d.metadata end,
  source = excluded.source, problem = excluded.problem, good = d.good or excluded.good, repo = excluded.repo, "commit" = excluded."commit",
  path = excluded.path, line = excluded.line, owner = null, epoch = excluded.epoch, updated_at = now()
where d.source = excluded.source
  or d.source in (select s.source from ops.source_states s where s.ended_at is not null and s.source like '%%/%%');
