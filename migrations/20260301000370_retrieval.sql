-- Retrieval: ops.documents, chunks of a project's text with their embeddings, one part for each project (decision 065).
-- What needs pgvector is made by ops_private.enable_retrieval(), here or whenever `wbx db migrate` finds pgvector later.
-- The table that 20260301000310 makes was never written by any release: it goes, if it is empty.

do $$
declare
  taken boolean;
begin
  if not exists (select 1 from pg_catalog.pg_class where oid = to_regclass('ops.documents') and relkind = 'r') then
    return;
  end if;
  perform set_config('lock_timeout', '10s', true);
  lock table ops.documents in access exclusive mode;
  select exists (select 1 from ops.documents) into taken;
  if taken then
    raise exception 'ops.documents has rows, and no release of WorkbenchX wrote any: move them out of the way (create schema kept; alter table ops.documents set schema kept), then migrate again';
  end if;
  drop table ops.documents;
end
$$;

create table if not exists ops.document_sets (
  project_id uuid primary key references ops.projects (id),
  model text not null check (model <> ''),
  dimensions integer not null check (dimensions between 1 and 4000),
  indexed text check (length(indexed) = 64 and indexed !~ '[^0-9a-f]'),
  sources integer not null default 0 check (sources >= 0),
  chunks integer not null default 0 check (chunks >= 0),
  skipped integer not null default 0 check (skipped >= 0),
  holder text not null default '',
  lease_until timestamptz,
  fencing bigint not null default 0,
  updated_at timestamptz not null default now()
);
comment on table ops.document_sets is 'What of each project is indexed for search, by which model, and who is at it.';
comment on column ops.document_sets.project_id is 'The project whose members may read it.';
comment on column ops.document_sets.model is 'The embedding model of all of the project''s chunks: models never mix.';
comment on column ops.document_sets.dimensions is 'Length of its vectors.';
comment on column ops.document_sets.indexed is 'Digest of the state that is wholly indexed; null: never yet, or the model changed.';
comment on column ops.document_sets.sources is 'How many sources that state has.';
comment on column ops.document_sets.chunks is 'How many chunks.';
comment on column ops.document_sets.skipped is 'How many sources were left out: too large, or past the most that a project may have.';
comment on column ops.document_sets.holder is 'Who indexes it now.';
comment on column ops.document_sets.lease_until is 'Until when, if it is not renewed.';
comment on column ops.document_sets.fencing is 'Token of the latest holder: writes of an earlier one are refused.';
comment on column ops.document_sets.updated_at is 'When the row changed last.';
do $$
begin
  if not exists (select 1 from pg_catalog.pg_policy where polrelid = 'ops.document_sets'::regclass) then
    perform ops_private.protect('ops.document_sets');
  end if;
end
$$;

create or replace function ops_private.vector_schema() returns text
language sql stable set search_path = '' as $$
  select n.nspname::text from pg_catalog.pg_extension e
  join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector'
$$;
comment on function ops_private.vector_schema() is 'The schema that pgvector lives in; null: it is not installed.';
revoke all on function ops_private.vector_schema() from public, anon, authenticated, service_role;
grant execute on function ops_private.vector_schema() to authenticated, service_role;

create or replace function ops_private.vector_missing() returns text
language sql stable set search_path = '' as $$
  select case
    when e.extversion is null and a.name is null then
      'this server has no pgvector: install its package, then run wbx db bootstrap and wbx db migrate'
    when e.extversion is null then
      'the extension vector is not installed: run wbx db bootstrap (or create extension vector), then wbx db migrate'
    when e.extversion ~ '^0\.[0-6](\.|$)' then
      format('pgvector is %s, which is older than 0.7: update it, then run wbx db migrate', e.extversion)
  end
  from (select) as one
  left join pg_catalog.pg_extension e on e.extname = 'vector'
  left join pg_catalog.pg_available_extensions a on e.extname is null and a.name = 'vector'
$$;
comment on function ops_private.vector_missing() is 'Why there is no pgvector that we can use, and the way out; null: there is one.';
revoke all on function ops_private.vector_missing() from public, anon, authenticated, service_role;

create or replace function ops_private.retrieval_off() returns text
language sql stable set search_path = '' as $$
  select case when to_regclass('ops.documents') is null
         then coalesce(ops_private.vector_missing(), 'pgvector came after the migrations: run wbx db migrate') end
$$;
comment on function ops_private.retrieval_off() is 'Why nothing can be searched, and the way out; null: retrieval is on.';
revoke all on function ops_private.retrieval_off() from public, anon, authenticated, service_role;
grant execute on function ops_private.vector_missing() to authenticated, service_role;
grant execute on function ops_private.retrieval_off() to authenticated, service_role;

create or replace function ops_private.enable_retrieval() returns text
language plpgsql set search_path = '' as $$
begin
  perform pg_advisory_xact_lock(7762310005);
  if ops_private.vector_missing() is not null or to_regclass('ops.documents') is not null then
    return ops_private.retrieval_off();
  end if;
  execute format('create table ops.documents (
    project_id uuid not null,
    source text not null check (source <> ''''),
    chunk integer not null check (chunk >= 0),
    line integer not null check (line > 0),
    start_at integer not null check (start_at >= 0),
    end_at integer not null check (end_at > start_at),
    body text not null check (body <> ''''),
    sha256 text not null check (length(sha256) = 64 and sha256 !~ ''[^0-9a-f]''),
    model text not null,
    embedding %I.halfvec not null,
    created_at timestamptz not null default now(),
    primary key (project_id, source, chunk)
  ) partition by list (project_id)', ops_private.vector_schema());
  comment on table ops.documents is 'Chunks of text with their embeddings: one part, and one index, for each project.';
  comment on column ops.documents.project_id is 'The project whose members may read it.';
  comment on column ops.documents.source is 'Where the text comes from: a path in the project''s code, or Kind/namespace/name.';
  comment on column ops.documents.chunk is 'Its number in the source.';
  comment on column ops.documents.line is 'The line of the source in which it begins.';
  comment on column ops.documents.start_at is 'Where it begins in the source, in characters.';
  comment on column ops.documents.end_at is 'Where it ends.';
  comment on column ops.documents.body is 'The text between the two.';
  comment on column ops.documents.sha256 is 'Digest of what was embedded: unchanged text is not embedded again.';
  comment on column ops.documents.model is 'The embedding model.';
  comment on column ops.documents.embedding is 'The vector, of length 1.';
  comment on column ops.documents.created_at is 'When it was written first.';
  perform ops_private.protect(to_regclass('ops.documents'));
  grant delete on ops.documents to service_role;
  return null;
end
$$;
comment on function ops_private.enable_retrieval() is 'Makes ops.documents if it is not there and pgvector is; answers why retrieval is off (null: it is on). Again changes nothing.';
revoke all on function ops_private.enable_retrieval() from public, anon, authenticated, service_role;

create or replace function ops_private.documents_part(project uuid) returns text
language sql immutable set search_path = '' as $$
  select 'documents_' || replace(project::text, '-', '')
$$;
comment on function ops_private.documents_part(uuid) is 'The name of a project''s part of ops.documents.';
revoke all on function ops_private.documents_part(uuid) from public, anon, authenticated, service_role;

create or replace function ops_private.ensure_documents(project uuid, model text, dimensions integer) returns void
language plpgsql security definer set search_path = '' set lock_timeout = '5s' as $$
declare
  place text := ops_private.vector_schema();
  part text := ops_private.documents_part(project);
begin
  if ops_private.retrieval_off() is not null then
    raise exception using errcode = 'feature_not_supported', message = ops_private.retrieval_off();
  end if;
  perform pg_advisory_xact_lock(hashtextextended(part, 7762310006));
  if exists (select 1 from ops.document_sets s where s.project_id = project
             and (s.model, s.dimensions) = (ensure_documents.model, ensure_documents.dimensions))
     and to_regclass(format('ops_private.%I', part)) is not null then
    return;
  end if;
  if not exists (select 1 from ops.projects p where p.id = project and p.deleted_at is null) then
    raise exception using errcode = 'foreign_key_violation', message = format('project "%s" is not there', project);
  end if;
  execute format('drop table if exists ops_private.%I', part);
  execute format('create table ops_private.%I (like ops.documents including all)', part);
  execute format('alter table ops_private.%I enable row level security', part);
  execute format('revoke all on ops_private.%I from public, anon, authenticated, service_role', part);
  execute format('alter table ops_private.%I add constraint one_model check (model = %L)', part, model);
  execute format('create index on ops_private.%1$I using hnsw ((embedding::%2$I.halfvec(%3$s)) %2$I.halfvec_ip_ops)
                  with (m = 24, ef_construction = 200)', part, place, dimensions);
  execute format('alter table ops.documents attach partition ops_private.%I for values in (%L)', part, project);
  insert into ops.document_sets as s (project_id, model, dimensions) values (project, model, dimensions)
  on conflict (project_id) do update set model = excluded.model, dimensions = excluded.dimensions, indexed = null,
    sources = 0, chunks = 0, skipped = 0, updated_at = now();
end
$$;
comment on function ops_private.ensure_documents(uuid, text, integer) is 'Makes a project''s part of ops.documents for one model; another model''s part is emptied first. Runs as the owner: the engine may not make tables.';
revoke all on function ops_private.ensure_documents(uuid, text, integer) from public, anon, authenticated, service_role;
grant execute on function ops_private.ensure_documents(uuid, text, integer) to service_role;

create or replace function ops_private.drop_documents(project uuid) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '5s' as $$
begin
  if exists (select 1 from ops.projects p where p.id = project and p.deleted_at is null) then
    return false;
  end if;
  execute format('drop table if exists ops_private.%I', ops_private.documents_part(project));
  delete from ops.document_sets s where s.project_id = project;
  return found;
end
$$;
comment on function ops_private.drop_documents(uuid) is 'Removes what is indexed of a project that is gone; false: it lives, or there was nothing.';
revoke all on function ops_private.drop_documents(uuid) from public, anon, authenticated, service_role;
grant execute on function ops_private.drop_documents(uuid) to service_role;

create or replace function ops.search_documents(project text, embedding real[], "limit" integer default 10, model text default null)
returns table (source text, chunk integer, line integer, start_at integer, end_at integer, body text, score real)
language plpgsql stable set search_path = '' as $$
#variable_conflict use_column
-- What callers name "limit" is called limit, and plpgsql_check cannot look into dynamic SQL:
-- @plpgsql_check_options: other_warnings = false, extra_warnings = false
declare
  off text := ops_private.retrieval_off();
  wanted integer := least(greatest(coalesce("limit", 10), 1), 100);
  those record;
  vector text;
begin
  if off is not null then
    raise exception using errcode = 'feature_not_supported', message = off;
  end if;
  select s.project_id, s.model, s.dimensions, s.chunks into those from ops.projects p
  join ops.document_sets s on s.project_id = p.id
  where p.name = search_documents.project and p.namespace = '' and p.deleted_at is null;
  if not found then
    return;
  end if;
  if cardinality(search_documents.embedding) is distinct from those.dimensions
     or search_documents.model <> those.model then
    raise exception using errcode = 'invalid_parameter_value', message = format(
      'the project is indexed by model "%s" of %s dimensions: embed the query with that', those.model, those.dimensions);
  end if;
  perform set_config('hnsw.ef_search', greatest(200, 4 * wanted)::text, true);
  -- Only the expression that the index is made on makes use of it: up to 5,000 chunks it is as quick to look at all.
  vector := format(case when those.chunks > 5000 then '(d.embedding::%I.halfvec(%s))' else 'd.embedding' end,
                   ops_private.vector_schema(), those.dimensions);
  return query execute format(
    'select d.source, d.chunk, d.line, d.start_at, d.end_at, d.body, -(%1$s operator(%2$I.<#>) $2::%2$I.halfvec)::real
     from ops.documents d where d.project_id = $1 order by %1$s operator(%2$I.<#>) $2::%2$I.halfvec limit $3',
    vector, ops_private.vector_schema())
  using those.project_id, search_documents.embedding, wanted;
end
$$;
comment on function ops.search_documents(text, real[], integer, text) is 'The chunks of one project whose vectors are nearest, the nearest first; of a project that the caller may not read, or that is not indexed: none.';
revoke all on function ops.search_documents(text, real[], integer, text) from public, anon;
grant execute on function ops.search_documents(text, real[], integer, text) to authenticated, service_role;

do $$
begin
  if ops_private.enable_retrieval() is not null then
    raise notice 'retrieval is off: %', ops_private.retrieval_off();
  end if;
end
$$;
