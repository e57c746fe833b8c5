-- ops.run_events: what happened in each run, in order, append-only and chained.
-- Also the schemas, and the check that the server was prepared.

do $$
declare
  missing text;
begin
  select string_agg(wanted, ', ') into missing
  from unnest(array['anon', 'authenticated', 'service_role']) as wanted
  where not exists (select 1 from pg_catalog.pg_roles where rolname = wanted);
  if missing is not null then
    raise exception 'roles are missing: %; run wbx db bootstrap as the server''s administrator', missing;
  end if;
  if to_regprocedure('auth.jwt()') is null then
    raise exception 'function auth.jwt() is missing; run wbx db bootstrap as the server''s administrator';
  end if;
end
$$;

create schema if not exists ops;
comment on schema ops is 'What WorkbenchX declared, did and saw. Callers read, by project membership; every write of a caller is a function.';
revoke all on schema ops from public;
grant usage on schema ops to authenticated, service_role;

create schema if not exists ops_private;
comment on schema ops_private is 'Helpers of ops: never exposed by an API.';
revoke all on schema ops_private from public;
grant usage on schema ops_private to authenticated, service_role;

create function ops_private.refuse_change() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception '%.% is append-only: % is refused', tg_table_schema, tg_table_name, lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;
comment on function ops_private.refuse_change() is 'Trigger: refuses UPDATE, DELETE and TRUNCATE of an append-only table, for its owner too.';
revoke all on function ops_private.refuse_change() from public;

create table ops.run_events (
  run_id uuid not null,
  seq bigint not null check (seq > 0),
  at timestamptz not null default now(),
  type text not null check (type ~ '^[A-Z][A-Za-z]{1,63}$'),
  actor text not null default 'engine',
  project_id uuid,
  data jsonb not null default '{}' check (jsonb_typeof(data) = 'object'),
  primary key (run_id, seq)
);
comment on table ops.run_events is 'Append-only: what happened in each run. Chained per written batch in ops.event_batches.';
comment on column ops.run_events.run_id is 'The run that the event belongs to.';
comment on column ops.run_events.seq is 'Position in the run''s chain, from 1, without gaps.';
comment on column ops.run_events.at is 'When it was recorded.';
comment on column ops.run_events.type is 'What happened; the types are published in schemas/event_types.json.';
comment on column ops.run_events.actor is 'Who did it: engine, a worker, or a person.';
comment on column ops.run_events.project_id is 'The project whose members may read it; null: members of any project.';
comment on column ops.run_events.data is 'Details, without secrets.';
create index run_events_project_at on ops.run_events (project_id, at desc);

create trigger run_events_append_only before update or delete or truncate on ops.run_events
for each statement execute function ops_private.refuse_change();

alter table ops.run_events enable row level security;
revoke all on ops.run_events from public, anon, authenticated, service_role;
grant select on ops.run_events to authenticated;
grant select, insert on ops.run_events to service_role;
