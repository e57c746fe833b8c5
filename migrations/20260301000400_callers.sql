-- Who calls: a member of projects, or the platform team, which sees every project and may order anything.

create function ops_private.is_platform() returns boolean
language sql stable set search_path = '' as $$
  select coalesce((select auth.jwt()) #>> '{app_metadata,wbx_role}' = 'platform', false)
$$;
comment on function ops_private.is_platform() is 'Whether the caller belongs to the platform team: by app_metadata, which only the auth server''s administrator writes.';
revoke all on function ops_private.is_platform() from public, anon, authenticated, service_role;
grant execute on function ops_private.is_platform() to authenticated, service_role;

-- Written out, where is_platform() and caller_id() say the same: this runs for every statement of every caller, and each of
-- those calls costs as much as the look-up.
create or replace function ops_private.my_projects() returns setof uuid
language plpgsql stable security definer rows 10 set search_path = '' as $$
declare
  claims jsonb := auth.jwt();
  me uuid;
  address text;
begin
  if claims #>> '{app_metadata,wbx_role}' = 'platform' then
    return query select p.id from ops.projects p;
    return;
  end if;
  if claims ->> 'sub' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    me := (claims ->> 'sub')::uuid;
    return query select m.project_id from ops.project_members m where m.user_id = me;
  end if;
  if to_regclass('auth.users') is not null or claims ->> 'email' is not null then
    address := ops_private.caller_email();
    if address is not null then
      return query select m.project_id from ops.project_members m where m.email = address;
    end if;
  end if;
end
$$;
comment on function ops_private.my_projects() is 'The projects that the caller is a member of, maybe twice; of the platform team: all, dead ones too.';

create or replace function ops_private.is_member() returns boolean
language sql stable security definer set search_path = '' as $$
  select ops_private.is_platform() or exists (select 1 from ops_private.my_projects())
$$;

create or replace function ops_private.my_project_names() returns setof text
language sql stable security definer set search_path = '' as $$
  select p.name from ops.projects p
  where p.id in (select ops_private.my_projects()) and (p.deleted_at is null or (select ops_private.is_platform()))
$$;

-- A document may name a project that has no row (yet).
alter policy declared_members_read on ops.declared
  using (project = any (array(select ops_private.my_project_names()))
         or (project is null and (select ops_private.is_member()))
         or (select ops_private.is_platform()));

create function ops_private.role_rank(role text) returns integer
language sql immutable set search_path = '' as $$
  select coalesce(array_position(array['viewer', 'editor', 'admin', 'platform'], role), 0)
$$;
comment on function ops_private.role_rank(text) is 'How much a role may: viewer 1, editor 2, admin 3, platform 4; nobody 0.';
revoke all on function ops_private.role_rank(text) from public, anon, authenticated, service_role;
grant execute on function ops_private.role_rank(text) to authenticated, service_role;

create function ops_private.my_role(project uuid) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  me uuid := ops_private.caller_id();
  address text := ops_private.caller_email();
begin
  if ops_private.is_platform() then
    return 'platform';
  end if;
  return (select m.role from ops.project_members m
          where m.project_id = project and (m.user_id = me or m.email = address)
          order by ops_private.role_rank(m.role) desc limit 1);
end
$$;
comment on function ops_private.my_role(uuid) is 'The caller''s highest role in a project; null: none.';
revoke all on function ops_private.my_role(uuid) from public, anon, authenticated, service_role;
grant execute on function ops_private.my_role(uuid) to authenticated, service_role;
