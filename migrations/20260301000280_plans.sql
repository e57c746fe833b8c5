-- Plans that are kept, what people ordered, and what FixBot proposed.

create table ops.plans (
  id text primary key check (id ~ '^[0-9a-f]{64}$'),
  destroy_token text not null default '',
  complete boolean not null,
  "commit" text,
  document jsonb not null,
  run_id uuid,
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now()
);
comment on table ops.plans is 'Plans for pull requests, holds, and plans with provider steps; kept for 90 days.';
comment on column ops.plans.id is 'sha256 of the canonical steps.';
comment on column ops.plans.destroy_token is 'What confirms its destructive steps.';
comment on column ops.plans.complete is 'Whether everything declared was read.';
comment on column ops.plans."commit" is 'The commit that was planned.';
comment on column ops.plans.document is 'The plan, as wbx plan --format json prints it.';
comment on column ops.plans.run_id is 'The settle run that recorded it first.';
comment on column ops.plans.created_at is 'When it was first made.';
comment on column ops.plans.last_seen_at is 'When it was last made.';
create index plans_created on ops.plans (created_at);

create table ops.interventions (
  id uuid primary key default gen_random_uuid(),
  verb text not null check (verb in ('suspend', 'resume', 'confirm', 'cancel', 'snooze', 'adopt', 'forget', 'start',
                                     'stop', 'extend', 'snapshot', 'rerun', 'backfill')),
  kind text,
  namespace text not null default '',
  name text,
  project_id uuid,
  args jsonb not null default '{}' check (jsonb_typeof(args) = 'object'),
  actor text not null check (actor <> ''),
  at timestamptz not null default now(),
  applied_at timestamptz,
  applied_run_id uuid,
  check ((kind is null) = (name is null))
);
comment on table ops.interventions is 'What people ordered. In force until applied.';
comment on column ops.interventions.id is 'Identity of the order.';
comment on column ops.interventions.verb is 'What was ordered.';
comment on column ops.interventions.kind is 'Kind of the resource that it is about.';
comment on column ops.interventions.namespace is 'Its namespace.';
comment on column ops.interventions.name is 'Its name.';
comment on column ops.interventions.project_id is 'The project whose members may read it.';
comment on column ops.interventions.args is 'Details of the order.';
comment on column ops.interventions.actor is 'Who ordered it.';
comment on column ops.interventions.at is 'When.';
comment on column ops.interventions.applied_at is 'When it took effect.';
comment on column ops.interventions.applied_run_id is 'The run in which it took effect.';
create index interventions_in_force on ops.interventions (at) where applied_at is null;
create index interventions_project on ops.interventions (project_id, at desc);
select ops_private.protect('ops.interventions');

create table ops.fix_proposals (
  id uuid primary key default gen_random_uuid(),
  fingerprint text not null check (fingerprint <> ''),
  project_id uuid,
  state text not null default 'open' check (state in ('open', 'merged', 'closed', 'snoozed', 'handed_over')),
  title text not null default '',
  branch text not null default '',
  url text,
  document jsonb not null default '{}',
  run_id uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  closed_at timestamptz
);
comment on table ops.fix_proposals is 'FixBot''s proposals: one open one per cause.';
comment on column ops.fix_proposals.id is 'Identity of the proposal.';
comment on column ops.fix_proposals.fingerprint is 'Names the cause.';
comment on column ops.fix_proposals.project_id is 'The project whose members may read it.';
comment on column ops.fix_proposals.state is 'How it stands.';
comment on column ops.fix_proposals.title is 'Title of the pull request.';
comment on column ops.fix_proposals.branch is 'Its branch.';
comment on column ops.fix_proposals.url is 'Where the pull request is.';
comment on column ops.fix_proposals.document is 'Finding, edits and evidence.';
comment on column ops.fix_proposals.run_id is 'The run that made it.';
comment on column ops.fix_proposals.created_at is 'When it was made.';
comment on column ops.fix_proposals.updated_at is 'When it changed last.';
comment on column ops.fix_proposals.closed_at is 'When it ended.';
create unique index fix_proposals_open on ops.fix_proposals (fingerprint) where state = 'open';
create index fix_proposals_project on ops.fix_proposals (project_id, created_at desc);
select ops_private.protect('ops.fix_proposals');

alter table ops.plans enable row level security;
revoke all on ops.plans from public, anon, authenticated, service_role;
grant select, insert, update, delete on ops.plans to service_role;
create policy plans_nobody on ops.plans for select to authenticated using (false);
comment on column ops.plans.document is 'The plan, as wbx plan --format json prints it. It spans projects: read through a function only.';
