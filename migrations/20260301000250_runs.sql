-- ops.runs: one row per operation, and the queue. ops.event_batches: the hash chain of its events.

create table ops.runs (
  run_id uuid primary key,
  project_id uuid,
  operation text not null check (operation ~ '^[a-z][a-z_-]*$'),
  kind text,
  namespace text not null default '',
  name text,
  resource_uid uuid,
  provider text not null default '',
  external_id text,
  state text not null default 'queued'
    check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out', 'lost')),
  attempt integer not null default 1 check (attempt > 0),
  tries integer not null default 1 check (tries > 0),
  execution_hash text not null default '',
  document jsonb not null default '{}',
  "commit" text,
  lease_owner text,
  lease_until timestamptz,
  fencing bigint not null default 0,
  timeout_seconds double precision not null default 3600 check (timeout_seconds > 0),
  deadline timestamptz,
  not_before timestamptz not null default '-infinity',
  scheduled_for timestamptz,
  cancel_requested_at timestamptz,
  exit_code integer,
  reason text not null default '',
  message text not null default '',
  metrics jsonb not null default '{}',
  cost_estimate numeric(14, 6) not null default 0,
  cost numeric(14, 6) not null default 0,
  queued_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  event_seq bigint not null default 0,
  event_hash bytea not null default '',
  event_head bytea,
  constraint runs_project foreign key (project_id) references ops.projects (id),
  constraint runs_ended check ((ended_at is null) = (state in ('queued', 'running'))),
  constraint runs_leased check (state <> 'running' or lease_owner is not null)
) with (fillfactor = 70);
comment on table ops.runs is 'One row per operation, and the queue: claimed by one statement with a lease and a fencing token.';
comment on column ops.runs.run_id is 'Identity, UUID version 7.';
comment on column ops.runs.project_id is 'The project whose members may read it.';
comment on column ops.runs.operation is 'What is done: settle, execute, create, replace, stop, delete, reproduce.';
comment on column ops.runs.kind is 'Kind of the resource that it acts for; null for settle.';
comment on column ops.runs.namespace is 'Its namespace.';
comment on column ops.runs.name is 'Its name.';
comment on column ops.runs.resource_uid is 'Its identity.';
comment on column ops.runs.provider is 'The provider that does it.';
comment on column ops.runs.external_id is 'The object at the provider.';
comment on column ops.runs.state is 'The one state machine: queued, running, then one of five ends.';
comment on column ops.runs.attempt is 'Counts the executions of the resource; part of the object''s name.';
comment on column ops.runs.tries is 'Counts the executions of this execution hash.';
comment on column ops.runs.execution_hash is 'Names what was to be executed.';
comment on column ops.runs.document is 'The complete order for the worker; secrets as references.';
comment on column ops.runs."commit" is 'The commit that led to it.';
comment on column ops.runs.lease_owner is 'The worker that holds it.';
comment on column ops.runs.lease_until is 'Until when; afterwards another may take it over.';
comment on column ops.runs.fencing is 'Grows with every claim; a write with an older token changes nothing.';
comment on column ops.runs.timeout_seconds is 'How long it may take from its first claim.';
comment on column ops.runs.deadline is 'When it must have ended; set at the first claim, never moved by a later one.';
comment on column ops.runs.not_before is 'When it is due, if it had to wait.';
comment on column ops.runs.scheduled_for is 'The scheduled time that it stands for.';
comment on column ops.runs.cancel_requested_at is 'When somebody asked for its end.';
comment on column ops.runs.exit_code is 'Exit code of the command; negative: a signal.';
comment on column ops.runs.reason is 'How it ended or why it waits, in one word.';
comment on column ops.runs.message is 'The same in one sentence.';
comment on column ops.runs.metrics is 'Numbers that the program wrote.';
comment on column ops.runs.cost_estimate is 'USD per hour, as planned.';
comment on column ops.runs.cost is 'USD, as metered.';
comment on column ops.runs.queued_at is 'When it was ordered.';
comment on column ops.runs.started_at is 'When it was first claimed, then when its command started.';
comment on column ops.runs.ended_at is 'When it ended.';
comment on column ops.runs.event_seq is 'How many events its chain has.';
comment on column ops.runs.event_hash is 'The chain so far.';
comment on column ops.runs.event_head is 'The head of its chain when it ended.';
create index runs_queue on ops.runs (provider, queued_at, run_id) where state = 'queued';
create index runs_leases on ops.runs (lease_until) where state = 'running';
create index runs_open_by_provider on ops.runs (provider) where state = 'running';
create index runs_resource on ops.runs (resource_uid, attempt desc, queued_at desc);
create index runs_project_at on ops.runs (project_id, queued_at desc);
create index runs_at on ops.runs (queued_at desc);
create unique index runs_one_execution on ops.runs (resource_uid, attempt) where operation in ('execute', 'reproduce');
create unique index runs_one_open on ops.runs (resource_uid, operation, attempt) where state in ('queued', 'running');
select ops_private.protect('ops.runs');

create table ops.event_batches (
  run_id uuid not null,
  first_seq bigint not null check (first_seq > 0),
  last_seq bigint not null check (last_seq >= first_seq),
  prev_hash bytea not null,
  hash bytea not null check (octet_length(hash) = 32),
  project_id uuid,
  at timestamptz not null default now(),
  primary key (run_id, first_seq)
);
comment on table ops.event_batches is 'Append-only: the hash chain of ops.run_events, one row per run and written batch.';
comment on column ops.event_batches.run_id is 'The run.';
comment on column ops.event_batches.first_seq is 'First event of the batch.';
comment on column ops.event_batches.last_seq is 'Last event of the batch.';
comment on column ops.event_batches.prev_hash is 'Hash of the batch before; empty for the first.';
comment on column ops.event_batches.hash is 'sha256 of prev_hash and the digests of the events, in order.';
comment on column ops.event_batches.project_id is 'The run''s project.';
comment on column ops.event_batches.at is 'When it was written.';
create index event_batches_project on ops.event_batches (project_id);
create trigger event_batches_append_only before update or delete or truncate on ops.event_batches
for each statement execute function ops_private.refuse_change();
select ops_private.protect('ops.event_batches');
revoke update on ops.event_batches from service_role;
