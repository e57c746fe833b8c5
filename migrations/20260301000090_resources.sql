-- The shape that every resource table has, and the one place that protects them.

create table ops_private.resource (
  id uuid primary key,
  kind text not null,
  project_id uuid,
  namespace text not null default '',
  name text not null check (name <> ''),
  declared_hash text not null default '' check (declared_hash ~ '^([0-9a-f]{64})?$'),
  generation bigint not null default 1 check (generation > 0),
  state text not null default 'Pending' check (state ~ '^[A-Z][A-Za-z]+$'),
  ready boolean not null default false,
  reason text not null default '',
  message text not null default '',
  external_id text,
  provider text,
  last_run_id uuid,
  owned boolean not null default true,
  source text not null default '',
  source_repo text,
  source_commit text,
  source_path text,
  source_line integer,
  spec jsonb not null default '{}' check (jsonb_typeof(spec) = 'object'),
  facts jsonb not null default '{}' check (jsonb_typeof(facts) = 'object'),
  conditions jsonb not null default '[]' check (jsonb_typeof(conditions) = 'array'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
comment on table ops_private.resource is 'The columns of every resource table; holds no rows.';
comment on column ops_private.resource.id is 'Identity for life: it survives a rename.';
comment on column ops_private.resource.kind is 'Kind; fixed for the table but for ops.providers, which holds three.';
comment on column ops_private.resource.project_id is 'The project that it belongs to, whose members may read it; null: cluster-scoped.';
comment on column ops_private.resource.namespace is 'Kubernetes namespace; empty for cluster-scoped kinds.';
comment on column ops_private.resource.name is 'Name, unique in its namespace among the living.';
comment on column ops_private.resource.declared_hash is 'sha256 of the canonical declared spec that is in force.';
comment on column ops_private.resource.generation is 'Counts the versions of the spec; for display.';
comment on column ops_private.resource.state is 'What it is doing, in one word; published in schemas/states.json.';
comment on column ops_private.resource.ready is 'Whether all is well.';
comment on column ops_private.resource.reason is 'Why it is or is not ready, in one word; published in schemas/reasons.json.';
comment on column ops_private.resource.message is 'The same in one sentence.';
comment on column ops_private.resource.external_id is 'Its living object at the provider.';
comment on column ops_private.resource.provider is 'The provider that holds its object.';
comment on column ops_private.resource.last_run_id is 'The latest run that acted for it.';
comment on column ops_private.resource.owned is 'Whether we manage it; what is only observed is never deleted.';
comment on column ops_private.resource.source is 'The Source that declares it.';
comment on column ops_private.resource.source_repo is 'Repository.';
comment on column ops_private.resource.source_commit is 'Commit of the version in force.';
comment on column ops_private.resource.source_path is 'File.';
comment on column ops_private.resource.source_line is 'Line in the file.';
comment on column ops_private.resource.spec is 'The declared spec that is in force.';
comment on column ops_private.resource.facts is 'Recorded facts of its kind: url, digest, started_at, expires_at.';
comment on column ops_private.resource.conditions is 'Kubernetes conditions, as its status shows them.';
comment on column ops_private.resource.created_at is 'When it got its row.';
comment on column ops_private.resource.updated_at is 'When its row changed last.';
comment on column ops_private.resource.deleted_at is 'When it was removed; a tombstone keeps its row.';
alter table ops_private.resource enable row level security;
revoke all on ops_private.resource from public, anon, authenticated, service_role;
create policy resource_nobody on ops_private.resource for select to authenticated using (false);

create function ops_private.protect(target regclass) returns void
language plpgsql set search_path = '' as $$
declare
  short text := (select relname from pg_catalog.pg_class where oid = target);
begin
  execute format('alter table %s enable row level security', target);
  execute format('revoke all on %s from public, anon, authenticated, service_role', target);
  execute format('grant select on %s to authenticated', target);
  execute format('grant select, insert, update on %s to service_role', target);
  execute format('create policy %I on %s for select to authenticated using ('
    'project_id = any (array(select ops_private.my_projects())) '
    'or (project_id is null and (select ops_private.is_member())))', short || '_members_read', target);
end
$$;
comment on function ops_private.protect(regclass) is 'Used by migrations: row-level security by project_id, one read policy for members, grants both ways.';
revoke all on function ops_private.protect(regclass) from public;

create function ops_private.make_resource_table(target regclass, variadic kinds text[]) returns void
language plpgsql set search_path = '' as $$
declare
  short text := (select relname from pg_catalog.pg_class where oid = target);
begin
  execute format('alter table %s add primary key (id), add constraint %I check (kind = any (%L))',
                 target, short || '_kind', kinds);
  execute format('alter table %s add constraint %I foreign key (project_id) references ops.projects (id)',
                 target, short || '_project');
  execute format('create index %I on %s (project_id)', short || '_project_id', target);
  perform ops_private.protect(target);
end
$$;
comment on function ops_private.make_resource_table(regclass, text[]) is 'Used by migrations: what every resource table has beyond its columns.';
revoke all on function ops_private.make_resource_table(regclass, text[]) from public;
