-- What the first release left to the default privileges of its owner is taken from everybody, and given by name. Again, and
-- where a database has it already, this changes nothing.

create or replace function ops_private.protect(target regclass) returns void
language plpgsql set search_path = '' as $$
declare
  short text := (select relname from pg_catalog.pg_class where oid = target);
  counter text;
begin
  execute format('alter table %s enable row level security', target);
  execute format('revoke all on %s from public, anon, authenticated, service_role', target);
  for counter in
    select objid::regclass::text from pg_catalog.pg_depend
    where refobjid = target and refclassid = 'pg_catalog.pg_class'::regclass and classid = refclassid and deptype = 'i'
      and objid in (select oid from pg_catalog.pg_class where relkind = 'S')
  loop
    execute format('revoke all on sequence %s from public, anon, authenticated, service_role', counter);
  end loop;
  execute format('grant select on %s to authenticated', target);
  execute format('grant select, insert, update on %s to service_role', target);
  execute format('create policy %I on %s for select to authenticated using ('
    'project_id = any (array(select ops_private.my_projects())) '
    'or (project_id is null and (select ops_private.is_member())))', short || '_members_read', target);
end
$$;

create or replace function ops_private.caller_email() returns text
language plpgsql stable set search_path = '' as $$
declare
  users regclass := to_regclass('auth.users');
  address text;
begin
  if users is not null then
    execute format('select lower(email) from %s where id = $1 and email_confirmed_at is not null', users)
      into address using ops_private.caller_id();
    return address;
  end if;
  if auth.jwt() #>> '{app_metadata,email_verified}' = 'true' then
    return lower(auth.jwt() ->> 'email');
  end if;
  return null;
end
$$;

revoke all on schema ops, ops_private from public, anon, authenticated, service_role;
grant usage on schema ops, ops_private to authenticated, service_role;
revoke all on function ops_private.refuse_change(), ops_private.protect(regclass),
  ops_private.make_resource_table(regclass, text[]), ops_private.caller_id(), ops_private.caller_email(),
  ops_private.my_projects(), ops_private.is_member(), ops_private.my_project_names(), ops_private.ensure_log_day(date),
  ops_private.drop_log_day(date), ops_private.notify_changed(), ops_private.notify_run_changed(),
  ops_private.notify_epoch_changed()
from public, anon, authenticated, service_role;
grant execute on function ops_private.caller_id(), ops_private.my_projects(), ops_private.is_member(),
  ops_private.my_project_names() to authenticated, service_role;
grant execute on function ops_private.ensure_log_day(date), ops_private.drop_log_day(date) to service_role;
revoke all on sequence ops.resource_history_id_seq from public, anon, authenticated, service_role;
