-- ops.source_objects: what each Source applied into the cluster, so that it can be mended and pruned.

set lock_timeout = '5s';
set statement_timeout = '60s';

create table ops.source_objects (
  kind text not null check (kind ~ '^[A-Z][A-Za-z]+$'),
  namespace text not null default '',
  name text not null check (name <> ''),
  source text not null check (source <> ''),
  spec jsonb not null,
  hash text not null check (hash ~ '^[0-9a-f]{64}$'),
  repo text,
  "commit" text,
  path text,
  line integer,
  state text not null default 'intended' check (state in ('intended', 'applied', 'refused')),
  refused text not null default '',
  updated_at timestamptz not null default now(),
  primary key (kind, namespace, name)
) with (fillfactor = 70);
comment on table ops.source_objects is 'What Sources apply into the cluster: one row for each object, written before it is applied.';
comment on column ops.source_objects.kind is 'Kind.';
comment on column ops.source_objects.namespace is 'Namespace; empty for cluster-scoped kinds.';
comment on column ops.source_objects.name is 'Name.';
comment on column ops.source_objects.source is 'The Source that applies it: namespace/name.';
comment on column ops.source_objects.spec is 'The spec as its file has it.';
comment on column ops.source_objects.hash is 'sha256 of the canonical spec.';
comment on column ops.source_objects.repo is 'Repository.';
comment on column ops.source_objects."commit" is 'Commit in which this version appeared.';
comment on column ops.source_objects.path is 'File.';
comment on column ops.source_objects.line is 'Line in the file.';
comment on column ops.source_objects.state is 'intended: it may be there or not; applied: it was there with this spec; refused: the cluster did not take it.';
comment on column ops.source_objects.refused is 'What the cluster said then.';
comment on column ops.source_objects.updated_at is 'When this row changed last.';
create index source_objects_source on ops.source_objects (source);

alter table ops.source_objects enable row level security;
revoke all on ops.source_objects from public, anon, authenticated, service_role;
grant select, insert, update, delete on ops.source_objects to service_role;
create policy source_objects_nobody on ops.source_objects for select to authenticated using (false);
