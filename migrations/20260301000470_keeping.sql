-- What housekeeping needs: logs that were read back, bytes that are to go, and when a run was claimed last.

alter table ops.runs add column claimed_at timestamptz;
comment on column ops.runs.claimed_at is 'When it was claimed last: what a worker stores for it is stored after that.';
alter table ops.runs add column log_verified_at timestamptz;
comment on column ops.runs.log_verified_at is 'When its log was read back whole from storage, or was seen to be removed by retention.';

create or replace function ops_private.drop_log_day(wanted date) returns boolean
language plpgsql security definer set search_path = '' set lock_timeout = '5s' as $$
declare
  part text := 'log_chunks_' || to_char(wanted, 'YYYYMMDD');
begin
  if to_regclass('ops.' || part) is null then
    return false;
  end if;
  execute format('lock table ops.%I in share row exclusive mode', part);
  if exists (select 1 from ops.log_chunks c where c.day = wanted and not exists (
               select 1 from ops.runs r
               where r.run_id = c.run_id and r.ended_at is not null and r.log_verified_at is not null)) then
    return false;
  end if;
  execute format('drop table ops.%I', part);
  return true;
end
$$;
comment on function ops_private.drop_log_day(date) is 'Drops a day whose every run has ended and has its log whole in storage; false: it stays.';

create table ops.removals (
  sha256 text primary key check (octet_length(sha256) = 64 and sha256 !~ '[^0-9a-f]'),
  state text not null default 'intended' check (state in ('intended', 'deleting', 'deleted')),
  bytes bigint not null check (bytes >= 0),
  intended_at timestamptz not null default now(),
  deleted_at timestamptz,
  check (state <> 'deleted' or deleted_at is not null)
);
comment on table ops.removals is 'Bytes on their way out of storage (decision 061): intended, then deleting, then deleted, then forgotten.';
comment on column ops.removals.sha256 is 'Which bytes.';
comment on column ops.removals.state is 'intended: nobody was asked yet; deleting: the storage may have done it; deleted: it has.';
comment on column ops.removals.bytes is 'How many they are.';
comment on column ops.removals.intended_at is 'Since when no pointer needs them.';
comment on column ops.removals.deleted_at is 'When they were last deleted.';
alter table ops.removals enable row level security;
revoke all on ops.removals from public, anon, authenticated, service_role;
grant select, insert, update, delete on ops.removals to service_role;
create policy removals_nobody on ops.removals for select to authenticated using (false);

-- Definer: in an adopted table other programs insert rows of their own.
create function ops_private.keep_bytes() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform 1 from ops.removals m where m.sha256 in (
    select c.sha256 from changed c where c.key = 'sha256/' || c.sha256 and c.removed_at is null)
  order by m.sha256 for update;
  if not found then
    return null;
  end if;
  if exists (
    select 1 from changed c join ops.removals m using (sha256)
    left join ops.runs r on r.run_id = case when c.key = 'sha256/' || c.sha256 then c.run_id::text::uuid end
    where c.key = 'sha256/' || c.sha256 and c.removed_at is null
      and (m.state = 'deleting' or m.deleted_at >= coalesce(r.claimed_at, '-infinity'))
  ) then
    raise exception 'bytes of an artifact were removed while it was stored; it is stored again'
      using errcode = 'serialization_failure';
  end if;
  delete from ops.removals m using changed c
  where m.sha256 = c.sha256 and c.removed_at is null and m.state = 'intended' and m.deleted_at is null;
  update ops.removals m set state = 'deleted' from changed c
  where m.sha256 = c.sha256 and c.removed_at is null and m.state = 'intended';
  return null;
end
$$;
comment on function ops_private.keep_bytes() is 'Trigger: a new pointer keeps bytes that were about to go; where they may be gone already, the pointer is refused and its run is collected again.';
revoke all on function ops_private.keep_bytes() from public, anon, authenticated, service_role;
create trigger artifacts_keep_bytes after insert on ops.artifacts
referencing new table as changed for each statement execute function ops_private.keep_bytes();
create trigger artifacts_keep_bytes_again after update on ops.artifacts
referencing new table as changed for each statement execute function ops_private.keep_bytes();

create index artifacts_kept on ops.artifacts (project_id, created_at) where removed_at is null;
