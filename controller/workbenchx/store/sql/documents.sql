-- name: off
-- Why retrieval is off; null: it is on.
select ops_private.retrieval_off();

-- name: search
-- As whoever asks: row-level security decides. The function picks the index of the one project.
select source, chunk, line, start_at, end_at, body, score
from ops.search_documents(%(project)s, %(embedding)s::real[], %(limit)s, %(model)s);

-- name: set_of
-- How far a project is indexed; null columns: nothing was ever begun.
select p.id::text as project_id, s.model, s.dimensions, s.indexed, s.sources, s.chunks, s.skipped, s.updated_at
from ops.projects p left join ops.document_sets s on s.project_id = p.id
where p.name = %(project)s and p.namespace = '' and p.deleted_at is null;

-- name: due
-- Living projects whose text is not what is indexed. The digest names everything that the index is made from; what is
-- declared goes in as a sum, which needs no order: this is asked after each pass of the engine.
select * from (
  select p.id::text as project_id, p.name, c.sha256 as code, s.indexed,
    encode(sha256(convert_to(concat_ws(' ', %(recipe)s::text, %(model)s::text, c.sha256, d.hashes), 'UTF8')), 'hex') as digest
  from ops.projects p
  left join ops.document_sets s on s.project_id = p.id
  left join lateral (
    select e.code -> p.name ->> 'sha256' as sha256 from ops.declared_epochs e
    where e.code ? p.name order by e.at desc limit 1) c on true
  left join lateral (
    select count(*) || ' ' || sum(hashtextextended(concat_ws('/', x.kind, x.namespace, x.name, x.hash), 0)::numeric) as hashes
    from ops.declared x where x.project = p.name and x.good) d on true
  where p.namespace = '' and p.deleted_at is null and (%(project)s::text is null or p.name = %(project)s)
) as state
where indexed is distinct from digest
order by indexed is not null, name;

-- name: ensure
-- The project's part of ops.documents, for this model.
select ops_private.ensure_documents(%(project_id)s::uuid, %(model)s::text, %(dimensions)s::integer);

-- name: claim
-- One indexer a project. The token refuses the writes of whoever held it before.
update ops.document_sets
set holder = %(holder)s, lease_until = now() + make_interval(secs => %(lease)s), fencing = fencing + 1, updated_at = now()
where project_id = %(project_id)s::uuid and (lease_until is null or lease_until < now() or holder = %(holder)s)
returning fencing;

-- name: declared
-- What the project declares, as it is in force.
select kind, namespace, name, spec from ops.declared
where project = %(name)s and good order by kind, namespace, name;

-- name: known
-- Which of these texts have their vector already.
select distinct sha256 from ops.documents
where project_id = %(project_id)s::uuid and sha256 = any(%(sha256)s::text[]);

-- name: write
-- One batch, if we still hold the project. A chunk without a vector takes that of the same text. What has not changed
-- is not written; of a source that ends in this batch, what lies beyond its end goes.
with held as (
  update ops.document_sets
  set lease_until = now() + make_interval(secs => %(lease)s), updated_at = now()
  where project_id = %(project_id)s::uuid and fencing = %(fencing)s
  returning project_id
), incoming as (
  select r.* from held cross join jsonb_populate_recordset(null::ops.documents, %(rows)s::jsonb) r
), known as (
  select distinct on (d.sha256) d.sha256, d.embedding from ops.documents d
  where d.project_id = %(project_id)s::uuid
    and d.sha256 in (select i.sha256 from incoming i where i.embedding is null)
), written as (
  insert into ops.documents as d
    (project_id, source, chunk, line, start_at, end_at, body, sha256, model, embedding)
  select h.project_id, i.source, i.chunk, i.line, i.start_at, i.end_at, i.body, i.sha256, i.model,
    coalesce(i.embedding, k.embedding)
  from held h cross join incoming i left join known k on k.sha256 = i.sha256
  on conflict (project_id, source, chunk) do update
  set line = excluded.line, start_at = excluded.start_at, end_at = excluded.end_at, body = excluded.body,
    sha256 = excluded.sha256, model = excluded.model, embedding = excluded.embedding
  where (d.line, d.start_at, d.end_at, d.body, d.sha256)
    is distinct from (excluded.line, excluded.start_at, excluded.end_at, excluded.body, excluded.sha256)
), removed as (
  delete from ops.documents d using held h, jsonb_each_text(%(ends)s::jsonb) e
  where d.project_id = h.project_id and d.source = e.key and d.chunk >= e.value::integer
)
select 1 from held;

-- name: finish
-- The last write: sources that are no more go, and the digest says that all the rest is there.
with held as (
  update ops.document_sets
  set indexed = %(digest)s, sources = %(sources)s, chunks = %(chunks)s, skipped = %(skipped)s,
    holder = '', lease_until = null, updated_at = now()
  where project_id = %(project_id)s::uuid and fencing = %(fencing)s
  returning project_id
), gone as (
  delete from ops.documents d using held h
  where d.project_id = h.project_id and d.source <> all (%(kept)s::text[])
)
select 1 from held;

-- name: release
-- Another may go on at once.
update ops.document_sets set holder = '', lease_until = null, updated_at = now()
where project_id = %(project_id)s::uuid and fencing = %(fencing)s;

-- name: holders
-- Who indexes now.
select distinct holder from ops.document_sets where lease_until > now();

-- name: release_holder
-- All that a process held which surely lives no more.
update ops.document_sets set holder = '', lease_until = null, updated_at = now() where holder = %(holder)s;

-- name: drop_buried
-- Projects that are gone: their part of the table goes as a whole.
select ops_private.drop_documents(s.project_id) from ops.document_sets s
join ops.projects p on p.id = s.project_id where p.deleted_at is not null;
