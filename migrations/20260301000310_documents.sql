-- ops.documents: retrieval, only where pgvector is installed.

do $$
declare
  vector_type text := (
    select format('%I.vector', n.nspname) from pg_catalog.pg_extension e
    join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector');
begin
  if vector_type is null then
    raise notice 'extension vector is not installed: ops.documents is not made, retrieval is off';
    return;
  end if;
  execute format('create table ops.documents (
    id uuid primary key default gen_random_uuid(),
    project_id uuid not null references ops.projects (id),
    source text not null,
    chunk integer not null check (chunk >= 0),
    body text not null,
    sha256 text not null check (sha256 ~ ''^[0-9a-f]{64}$''),
    model text not null,
    embedding %s not null,
    created_at timestamptz not null default now(),
    unique (project_id, source, chunk, model))', vector_type);
  comment on table ops.documents is 'Chunks of text with their embeddings, for retrieval in one project.';
  comment on column ops.documents.id is 'Identity of the chunk.';
  comment on column ops.documents.project_id is 'The project whose members may read it.';
  comment on column ops.documents.source is 'Where the text comes from.';
  comment on column ops.documents.chunk is 'Its number in the source.';
  comment on column ops.documents.body is 'The text.';
  comment on column ops.documents.sha256 is 'Digest of the text: unchanged text is not embedded again.';
  comment on column ops.documents.model is 'The embedding model.';
  comment on column ops.documents.embedding is 'The vector.';
  comment on column ops.documents.created_at is 'When it was embedded.';
  perform ops_private.protect('ops.documents');
  grant delete on ops.documents to service_role;
end
$$;
