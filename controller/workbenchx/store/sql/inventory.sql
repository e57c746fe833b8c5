-- name: placed
-- All that a source applied. Of a spec only what a plan of a prune tells.
select kind, namespace, name, hash, repo, path, line, spec ->> 'project', state = 'applied', metadata::text from ops.source_objects where source = %(source)s;

-- name: misplaced
-- What was not applied, and what the operator mirrors otherwise: labels and annotations that the file does not have are others'.
-- What a person suspended is left to that person.
select o.kind, o.namespace, o.name, o.spec::text, o.hash, o.state = 'applied', o.metadata::text
from ops.source_objects o left join ops.declared d using (kind, namespace, name)
where o.source = %(source)s and (o.state <> 'applied' or d.hash is distinct from o.hash or d.problem is not null
    or not d.metadata @> o.shown)
  and (o.state <> 'applied' or not exists (
    select 1 from ops.resources r
    where r.kind = o.kind and r.namespace = o.namespace and r.name = o.name and r.state = 'Suspended'))
order by 1, 2, 3;

-- name: intend
-- Before anything is applied. What another source applies stays that one's, until nobody follows it any more.
insert into ops.source_objects as o (kind, namespace, name, source, spec, hash, metadata, shown, repo, "commit", path, line)
select i.kind, i.namespace, i.name, %(source)s, i.spec, i.hash, coalesce(i.whole, i.metadata), i.metadata,
  i.repo, coalesce(i."commit", %(commit)s), i.path, i.line
from json_to_recordset(%(rows)s::json) as i(kind text, namespace text, name text, spec jsonb, hash text, metadata jsonb,
  whole jsonb, repo text, "commit" text, path text, line integer)
on conflict (kind, namespace, name) do update set
  source = excluded.source, spec = excluded.spec, hash = excluded.hash, metadata = excluded.metadata, shown = excluded.shown,
  repo = excluded.repo, path = excluded.path, line = excluded.line, refused = '', updated_at = now(),
  "commit" = case when (o.hash, o.metadata, o.source) = (excluded.hash, excluded.metadata, excluded.source)
             then o."commit" else excluded."commit" end,
  state = case when (o.hash, o.metadata, o.source) = (excluded.hash, excluded.metadata, excluded.source)
          then o.state else 'intended' end
where (o.source = excluded.source
       or o.source in (select s.source from ops.source_states s where s.ended_at is not null))
  and (o.source, o.hash, o.metadata, o.repo, o.path, o.line)
    is distinct from (excluded.source, excluded.hash, excluded.metadata, excluded.repo, excluded.path, excluded.line);

-- name: intending
-- The commit whose review counts from now on.
update ops.source_states set intended = %(commit)s where source = %(source)s;

-- name: taken
-- What another source applies.
select o.kind, o.namespace, o.name, o.source from json_to_recordset(%(keys)s::json) as k(kind text, namespace text, name text)
join ops.source_objects o using (kind, namespace, name) where o.source <> %(source)s order by 1, 2, 3;

-- name: confirmed
-- By a person who may, through the function that checks it, or by a commit of this source.
select exists (select 1 from ops.interventions where verb = 'confirm' and args ->> 'token' = %(token)s
               and coalesce(args ->> 'source', %(source)s) = %(source)s and at > now() - interval '1 hour');

-- name: merge_bound
-- What was decided of a commit.
select destroys from ops.merge_bounds where source = %(source)s and "commit" = %(commit)s;

-- name: outcome
-- What the cluster took (an empty text), and what it did not.
update ops.source_objects o set state = case when i.refused = '' then 'applied' else 'refused' end, refused = i.refused, updated_at = now()
from json_to_recordset(%(rows)s::json) as i(kind text, namespace text, name text, refused text)
where o.kind = i.kind and o.namespace = i.namespace and o.name = i.name and o.source = %(source)s;

-- name: gone
-- What was pruned.
delete from ops.source_objects o using json_to_recordset(%(keys)s::json) as i(kind text, namespace text, name text)
where o.kind = i.kind and o.namespace = i.namespace and o.name = i.name and o.source = %(source)s;

-- name: place
-- Where what the operator mirrored comes from, for all that a source applied.
update ops.declared d set repo = o.repo, "commit" = o."commit", path = o.path, line = o.line, owner = o.source
from ops.source_objects o
where o.kind = d.kind and o.namespace = d.namespace and o.name = d.name and d.source = %(mirror)s and d.hash = o.hash
  and o.source = %(source)s
  and (d.repo, d."commit", d.path, d.line, d.owner) is distinct from (o.repo, o."commit", o.path, o.line, o.source);

-- name: place_these
-- The same for what was mirrored just now, by its keys: no table is looked through.
update ops.declared d set repo = o.repo, "commit" = o."commit", path = o.path, line = o.line, owner = o.source
from json_to_recordset(%(keys)s::json) as k(kind text, namespace text, name text)
join ops.source_objects o using (kind, namespace, name)
where o.kind = d.kind and o.namespace = d.namespace and o.name = d.name and d.source = %(mirror)s and d.hash = o.hash
  and (d.repo, d."commit", d.path, d.line, d.owner) is distinct from (o.repo, o."commit", o.path, o.line, o.source);
