-- Databases of the first release (commit 3146d25): ops.run_events and ops.artifacts get the shape in which tables of other
-- programs can be adopted too (decision 050). Where they have it already this changes nothing. That release was embedded
-- only: no program runs while it is migrated, and the two rewrites hold nobody up.

create or replace function ops_private.is_adopted(target regclass) returns boolean
language sql stable set search_path = '' as $$
  select exists (select 1 from pg_catalog.pg_constraint
                 where conrelid = target and conname = (select relname || '_ours' from pg_catalog.pg_class where oid = target))
$$;
comment on function ops_private.is_adopted(regclass) is 'Whether the table was there before us: it holds rows of other programs too.';
revoke all on function ops_private.is_adopted(regclass) from public, anon, authenticated, service_role;

-- Only the first files adopt: no program calls these.
-- squawk-ignore ban-drop-function
drop function if exists ops_private.adopt(regclass, text, text[]);
-- squawk-ignore ban-drop-function
drop function if exists ops_private.guard(regclass);

do $$
begin
  if ops_private.is_adopted('ops.run_events') or not exists (
    select 1 from pg_catalog.pg_attribute
    where attrelid = 'ops.run_events'::regclass and attname = 'run_id' and atttypid = 'uuid'::regtype) then
    return;
  end if;
  perform set_config('lock_timeout', '10s', true);
  drop trigger run_events_append_only on ops.run_events;
  alter table ops.run_events alter column run_id type text collate "C" using run_id::text,
    add constraint run_events_run_id_check check (run_id = run_id::uuid::text);
  create trigger run_events_no_update before update on ops.run_events
  for each row when (old.seq is not null or new.seq is not null) execute function ops_private.refuse_change();
  create trigger run_events_no_delete before delete on ops.run_events
  for each row when (old.seq is not null) execute function ops_private.refuse_change();
  create trigger run_events_no_truncate before truncate on ops.run_events
  for each statement execute function ops_private.refuse_change();
  alter policy run_events_members_read on ops.run_events
  using (seq is not null and (project_id = any (array(select ops_private.my_projects()))
                              or (project_id is null and (select ops_private.is_member()))));
end
$$;

do $$
begin
  if ops_private.is_adopted('ops.artifacts') or not exists (
    select 1 from pg_catalog.pg_attribute
    where attrelid = 'ops.artifacts'::regclass and attname = 'run_id' and atttypid = 'uuid'::regtype) then
    return;
  end if;
  perform set_config('lock_timeout', '10s', true);
  alter table ops.artifacts alter column run_id type text collate "C" using run_id::text,
    add constraint artifacts_run_id_check check (run_id = run_id::uuid::text);
  alter policy artifacts_members_read on ops.artifacts
  using (key = 'sha256/' || sha256 and project_id = any (array(select ops_private.my_projects())));
end
$$;
