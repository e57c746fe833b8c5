-- ops.installation (one row: this database is one environment) and ops.leader (one row: who may write as the engine).

create table ops.installation (
  singleton boolean primary key default true check (singleton),
  id uuid not null default gen_random_uuid(),
  environment text not null default 'unnamed' check (environment <> ''),
  cluster_uid text,
  created_at timestamptz not null default now()
);
comment on table ops.installation is 'One row: which installation this database is.';
comment on column ops.installation.singleton is 'There is one row.';
comment on column ops.installation.id is 'Tags at providers carry it; sweeps look only at their own.';
comment on column ops.installation.environment is 'The environment''s name.';
comment on column ops.installation.cluster_uid is 'The cluster that it belongs to; a component that finds another refuses to start.';
comment on column ops.installation.created_at is 'When it was made.';
insert into ops.installation default values;

create table ops.leader (
  singleton boolean primary key default true check (singleton),
  holder text,
  epoch bigint not null default 0 check (epoch >= 0),
  until timestamptz not null default '-infinity'
);
comment on table ops.leader is 'One row: the lease of the one engine that may write. Its epoch fences every engine write.';
comment on column ops.leader.singleton is 'There is one row.';
comment on column ops.leader.holder is 'Who leads.';
comment on column ops.leader.epoch is 'Grows with every change of leader.';
comment on column ops.leader.until is 'When the lease runs out.';
insert into ops.leader default values;

alter table ops.installation enable row level security;
alter table ops.leader enable row level security;
revoke all on ops.installation, ops.leader from public, anon, authenticated, service_role;
grant select on ops.installation, ops.leader to authenticated;
grant select, update on ops.installation, ops.leader to service_role;
create policy installation_members_read on ops.installation for select to authenticated
  using ((select ops_private.is_member()));
create policy leader_members_read on ops.leader for select to authenticated
  using ((select ops_private.is_member()));
