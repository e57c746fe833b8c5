-- The ledger of what we made at providers, and what bulk observation saw there.

create table ops.provider_objects (
  provider text not null,
  external_id text not null,
  kind text not null default '',
  resource_uid uuid,
  run_id uuid,
  project_id uuid,
  state text not null default 'intended' check (state in ('intended', 'exists', 'gone', 'quarantined')),
  intended_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (provider, external_id)
);
comment on table ops.provider_objects is 'The ledger: intent before a provider call, outcome after.';
comment on column ops.provider_objects.provider is 'The adapter.';
comment on column ops.provider_objects.external_id is 'The object''s deterministic name.';
comment on column ops.provider_objects.kind is 'Kind of the resource that it stands for.';
comment on column ops.provider_objects.resource_uid is 'That resource.';
comment on column ops.provider_objects.run_id is 'The run that made it last.';
comment on column ops.provider_objects.project_id is 'The project whose members may read it.';
comment on column ops.provider_objects.state is 'intended, exists, gone, or quarantined: it has our tag and nobody knows it.';
comment on column ops.provider_objects.intended_at is 'When it was first intended.';
comment on column ops.provider_objects.updated_at is 'When its state was last recorded.';
create index provider_objects_resource on ops.provider_objects (resource_uid);
create index provider_objects_run on ops.provider_objects (run_id);
create index provider_objects_project on ops.provider_objects (project_id);
select ops_private.protect('ops.provider_objects');

create table ops.observation_epochs (
  provider text primary key,
  number bigint not null default 0 check (number >= 0),
  complete boolean not null,
  at timestamptz not null
);
comment on table ops.observation_epochs is 'The latest bulk look at each provider. Only a complete and fresh one proves absence.';
comment on column ops.observation_epochs.provider is 'The adapter.';
comment on column ops.observation_epochs.number is 'Counts the looks.';
comment on column ops.observation_epochs.complete is 'Whether everything was seen.';
comment on column ops.observation_epochs.at is 'When it began.';

create table ops.observations (
  provider text not null,
  external_id text not null,
  resource_uid uuid,
  project_id uuid,
  state text not null,
  fields jsonb not null default '{}',
  url text,
  exit_code integer,
  reason text not null default '',
  number bigint not null,
  seen_at timestamptz not null,
  primary key (provider, external_id)
);
comment on table ops.observations is 'What the latest looks saw: one row per object with our tag.';
comment on column ops.observations.provider is 'The adapter.';
comment on column ops.observations.external_id is 'The object''s name.';
comment on column ops.observations.resource_uid is 'The resource that its tags name.';
comment on column ops.observations.project_id is 'The project whose members may read it.';
comment on column ops.observations.state is 'What the provider says that it does.';
comment on column ops.observations.fields is 'Owned, comparable fields.';
comment on column ops.observations.url is 'Where it answers.';
comment on column ops.observations.exit_code is 'Exit code, once it ended.';
comment on column ops.observations.reason is 'Why it ended.';
comment on column ops.observations.number is 'The look in which it last changed.';
comment on column ops.observations.seen_at is 'When that was.';
create index observations_project on ops.observations (project_id);
select ops_private.protect('ops.observations');
grant delete on ops.observations to service_role;

alter table ops.observation_epochs enable row level security;
revoke all on ops.observation_epochs from public, anon, authenticated, service_role;
grant select on ops.observation_epochs to authenticated;
grant select, insert, update on ops.observation_epochs to service_role;
create policy observation_epochs_members_read on ops.observation_epochs for select to authenticated
  using ((select ops_private.is_member()));
