-- ops.log_chunks: output of programs, partitioned by the day of the run; a day is dropped once its logs are artifacts.

create table ops.log_chunks (
  day date not null,
  run_id uuid not null,
  attempt integer not null check (attempt > 0),
  start_offset bigint not null check (start_offset >= 0),
  project_id uuid,
  at timestamptz not null default now(),
  data bytea not null,
  primary key (day, run_id, attempt, start_offset)
) partition by range (day);
comment on table ops.log_chunks is 'Output of programs, as it came, until the log''s artifact is stored.';
comment on column ops.log_chunks.day is 'The day (UTC) on which the run was queued.';
comment on column ops.log_chunks.run_id is 'The run.';
comment on column ops.log_chunks.attempt is 'Its attempt.';
comment on column ops.log_chunks.start_offset is 'Where the chunk begins in the attempt''s output, in bytes.';
comment on column ops.log_chunks.project_id is 'The project whose members may read it.';
comment on column ops.log_chunks.at is 'When it came.';
comment on column ops.log_chunks.data is 'Bytes, as the program wrote them.';
create index log_chunks_project on ops.log_chunks (project_id);
select ops_private.protect('ops.log_chunks');
grant delete on ops.log_chunks to service_role;

create function ops_private.ensure_log_day(wanted date) returns void
language plpgsql security definer set search_path = '' as $$
declare
  part text := 'log_chunks_' || to_char(wanted, 'YYYYMMDD');
begin
  if to_regclass('ops.' || part) is not null then
    return;
  end if;
  perform pg_advisory_xact_lock(7762310004);
  -- Not to_regclass: it remembers the miss from before the lock.
  if not exists (select 1 from pg_catalog.pg_class c where c.relname = part and c.relnamespace = 'ops'::regnamespace) then
    execute format('create table ops.%I (like ops.log_chunks including defaults including constraints)', part);
    execute format('alter table ops.%I enable row level security', part);
    execute format('revoke all on ops.%I from public, anon, authenticated, service_role', part);
    execute format('alter table ops.log_chunks attach partition ops.%I for values from (%L) to (%L)',
                   part, wanted, wanted + 1);
  end if;
end
$$;
comment on function ops_private.ensure_log_day(date) is 'Makes the partition of a day if it is not there. Runs as the owner: the engine may not make tables.';
revoke all on function ops_private.ensure_log_day(date) from public;
grant execute on function ops_private.ensure_log_day(date) to service_role;

create function ops_private.drop_log_day(wanted date) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  part text := 'log_chunks_' || to_char(wanted, 'YYYYMMDD');
begin
  if to_regclass('ops.' || part) is null then
    return false;
  end if;
  if exists (select 1 from ops.log_chunks c where c.day = wanted and not exists (
               select 1 from ops.artifacts a where a.run_id = c.run_id and a.name = 'log')) then
    return false;
  end if;
  execute format('drop table ops.%I', part);
  return true;
end
$$;
comment on function ops_private.drop_log_day(date) is 'Drops a day whose every run has its log stored as an artifact; false: it stays.';
revoke all on function ops_private.drop_log_day(date) from public;
grant execute on function ops_private.drop_log_day(date) to service_role;
