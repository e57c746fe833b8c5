-- ops.declared: the planner's only declared input.

create table ops.declared (
  kind text not null check (kind ~ '^[A-Z][A-Za-z]+$'),
  namespace text not null default '',
  name text not null check (name <> ''),
  project text,
  spec jsonb not null default '{}',
  hash text not null default '' check (hash ~ '^([0-9a-f]{64})?$'),
  problem text,
  good boolean not null default true,
  source text not null,
  repo text,
  commit text,
  path text,
  line integer,
  epoch bigint not null default 0,
  updated_at timestamptz not null default now(),
  primary key (kind, namespace, name)
);
comment on table ops.declared is 'What YAML says: one row per declared resource, valid or not.';
comment on column ops.declared.kind is 'Kind.';
comment on column ops.declared.namespace is 'Namespace; empty for cluster-scoped kinds.';
comment on column ops.declared.name is 'Name.';
comment on column ops.declared.project is 'Name of its project.';
comment on column ops.declared.spec is 'The last valid spec.';
comment on column ops.declared.hash is 'sha256 of the canonical spec.';
comment on column ops.declared.problem is 'Why the document as it stands now is invalid; null: it is valid.';
comment on column ops.declared.good is 'Whether it ever was valid: only then spec and hash mean anything.';
comment on column ops.declared.source is 'Who declares it.';
comment on column ops.declared.repo is 'Repository.';
comment on column ops.declared.commit is 'Commit in which this version appeared.';
comment on column ops.declared.path is 'File.';
comment on column ops.declared.line is 'Line in the file.';
comment on column ops.declared.epoch is 'The reading of its source in which this version was first seen.';
comment on column ops.declared.updated_at is 'When that was.';
create index declared_source_path on ops.declared (source, path);
create index declared_project on ops.declared (project);

create table ops.declared_epochs (
  source text primary key,
  epoch bigint not null default 0 check (epoch >= 0),
  complete boolean not null default false,
  commit text,
  code jsonb not null default '{}' check (jsonb_typeof(code) = 'object'),
  at timestamptz not null default now()
);
comment on table ops.declared_epochs is 'The latest reading of each source. Absence means something only if it was complete.';
comment on column ops.declared_epochs.source is 'The source.';
comment on column ops.declared_epochs.epoch is 'Counts its readings.';
comment on column ops.declared_epochs.complete is 'Whether the whole of it was read.';
comment on column ops.declared_epochs.commit is 'The commit that was read.';
comment on column ops.declared_epochs.code is 'By project: sha256 and commit of the code snapshot that runs get.';
comment on column ops.declared_epochs.at is 'When.';

alter table ops.declared enable row level security;
alter table ops.declared_epochs enable row level security;
revoke all on ops.declared, ops.declared_epochs from public, anon, authenticated, service_role;
grant select on ops.declared, ops.declared_epochs to authenticated;
grant select, insert, update, delete on ops.declared, ops.declared_epochs to service_role;
create policy declared_members_read on ops.declared for select to authenticated
  using (project = any (array(select ops_private.my_project_names()))
         or (project is null and (select ops_private.is_member())));
create policy declared_epochs_members_read on ops.declared_epochs for select to authenticated
  using ((select ops_private.is_member()));
