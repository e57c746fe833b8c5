-- ops.sandbox_runs: one row per attempt on any sandbox provider. Its insertion is the compare-and-set that starts a
-- user's command at most once.

create table ops.sandbox_runs (
  id uuid primary key default gen_random_uuid(),
  run_id uuid not null,
  attempt integer not null check (attempt > 0),
  project_id uuid,
  resource_uid uuid,
  provider text not null,
  external_id text not null,
  command text[] not null default '{}',
  state text not null default 'running'
    check (state in ('running', 'succeeded', 'failed', 'cancelled', 'timed_out', 'lost')),
  reason text not null default '',
  exit_code integer,
  started_at timestamptz not null default now(),
  ended_at timestamptz,
  unique (run_id, attempt),
  check (ended_at is null or state <> 'running')
);
comment on table ops.sandbox_runs is 'One row per attempt to run a command on a sandbox provider; written before the command starts.';
comment on column ops.sandbox_runs.id is 'Identity of the attempt.';
comment on column ops.sandbox_runs.run_id is 'The run that it executes.';
comment on column ops.sandbox_runs.attempt is 'Which execution of the resource this is.';
comment on column ops.sandbox_runs.project_id is 'The project whose members may read it.';
comment on column ops.sandbox_runs.resource_uid is 'The resource that it runs for.';
comment on column ops.sandbox_runs.provider is 'The adapter that runs it.';
comment on column ops.sandbox_runs.external_id is 'Its name at the provider.';
comment on column ops.sandbox_runs.command is 'The command, as declared.';
comment on column ops.sandbox_runs.state is 'How it stands.';
comment on column ops.sandbox_runs.reason is 'Why it ended, in one word.';
comment on column ops.sandbox_runs.exit_code is 'Exit code of the command; negative: the signal that ended it.';
comment on column ops.sandbox_runs.started_at is 'When the permission to start was taken, then when the provider says that it started.';
comment on column ops.sandbox_runs.ended_at is 'When it ended.';
create index sandbox_runs_project_at on ops.sandbox_runs (project_id, started_at desc);
create index sandbox_runs_object on ops.sandbox_runs (provider, external_id);

alter table ops.sandbox_runs enable row level security;
revoke all on ops.sandbox_runs from public, anon, authenticated, service_role;
grant select on ops.sandbox_runs to authenticated;
grant select, insert, update on ops.sandbox_runs to service_role;
