-- ops.source_states: what each Source saw and applied, when it is looked at next, and which worker looks at it now.

set lock_timeout = '5s';
set statement_timeout = '60s';

create table ops.source_states (
  source text primary key check (source <> ''),
  namespace text not null default '',
  name text not null default '',
  project_id uuid,
  uid uuid,
  spec jsonb not null default '{}' check (jsonb_typeof(spec) = 'object'),
  seen text,
  seen_at timestamptz,
  applied text,
  applied_at timestamptz,
  reason text not null default '',
  message text not null default '',
  details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
  failures integer not null default 0 check (failures >= 0),
  run_id uuid,
  polled_at timestamptz,
  asked_at timestamptz,
  due_at timestamptz not null default now(),
  held_by text,
  held_until timestamptz,
  ended_at timestamptz,
  constraint source_states_project foreign key (project_id) references ops.projects (id),
  constraint source_states_held check ((held_by is null) = (held_until is null))
) with (fillfactor = 50);
comment on table ops.source_states is 'What each Source saw and applied, when it is looked at next, and which worker looks at it now.';
comment on column ops.source_states.source is 'The source as ops.declared names it: namespace/name, or embedded for the repository that wbx up was given.';
comment on column ops.source_states.namespace is 'Namespace of the Source.';
comment on column ops.source_states.name is 'Its name.';
comment on column ops.source_states.project_id is 'The project whose members may read it; null: every member.';
comment on column ops.source_states.uid is 'Identity of the Source.';
comment on column ops.source_states.spec is 'What is followed: the spec in force.';
comment on column ops.source_states.seen is 'The commit that the branch was at when it was looked at last.';
comment on column ops.source_states.seen_at is 'Since when that commit is known.';
comment on column ops.source_states.applied is 'The commit whose documents are declared.';
comment on column ops.source_states.applied_at is 'Since when.';
comment on column ops.source_states.reason is 'What is wrong, in one word; empty: nothing.';
comment on column ops.source_states.message is 'The same in one sentence: one line, no secret.';
comment on column ops.source_states.details is 'What the applied commit held: numbers, and what was skipped, kept, refused or claimed by another source.';
comment on column ops.source_states.failures is 'Looks in a row that failed because the server was away; each pause is longer.';
comment on column ops.source_states.run_id is 'The run that applied the commit, or failed to.';
comment on column ops.source_states.polled_at is 'When the branch was looked at last.';
comment on column ops.source_states.asked_at is 'When somebody asked to look at once: a person, or a webhook.';
comment on column ops.source_states.due_at is 'When it is looked at next.';
comment on column ops.source_states.held_by is 'The worker that looks at it.';
comment on column ops.source_states.held_until is 'Until when; afterwards another may.';
comment on column ops.source_states.ended_at is 'Since when nothing is followed here: what it declared stays until another source declares it.';
create index source_states_project_id on ops.source_states (project_id);
select ops_private.protect('ops.source_states');

create function ops_private.notify_source_changed() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select source, spec, seen, applied, reason, message, details, asked_at, ended_at from changed
             except select source, spec, seen, applied, reason, message, details, asked_at, ended_at from before) then
    perform pg_notify('ops_changed', '');
  end if;
  return null;
end
$$;
comment on function ops_private.notify_source_changed() is 'Trigger: a source saw or applied something, or is to be looked at; a quiet look wakes nobody.';
revoke all on function ops_private.notify_source_changed() from public, anon, authenticated, service_role;

create trigger source_states_inserted after insert on ops.source_states
referencing new table as changed for each statement execute function ops_private.notify_changed();
create trigger source_states_updated after update on ops.source_states
referencing old table as before new table as changed for each statement execute function ops_private.notify_source_changed();
