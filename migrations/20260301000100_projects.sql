-- ops.projects and ops.project_members, the border of every reader; and the policies of the tables before them.

create table ops.projects (
  like ops_private.resource including defaults including constraints including comments,
  monthly_budget_usd numeric(14, 6) generated always as (
    case when spec #>> '{budget,monthlyUSD}' ~ '^[0-9]{1,8}([.][0-9]+)?$' then (spec #>> '{budget,monthlyUSD}')::numeric(14, 6) end) stored,
  sandbox_provider text generated always as (spec #>> '{providers,sandbox}') stored
);
comment on table ops.projects is 'Projects: code, data, members, quotas, budget. project_id is its own id.';
comment on column ops.projects.monthly_budget_usd is 'Declared monthly budget in USD.';
comment on column ops.projects.sandbox_provider is 'Declared sandbox provider.';
create unique index projects_living_name on ops.projects (namespace, name) where deleted_at is null;

create table ops.project_members (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null,
  user_id uuid,
  email text check (email = lower(email)),
  role text not null check (role in ('viewer', 'editor', 'admin')),
  created_at timestamptz not null default now(),
  check (num_nonnulls(user_id, email) = 1),
  unique (project_id, user_id),
  unique (project_id, email)
);
comment on table ops.project_members is 'Who may read and order what: from spec.members of the Project in force.';
comment on column ops.project_members.id is 'Identity of the membership.';
comment on column ops.project_members.project_id is 'The project.';
comment on column ops.project_members.user_id is 'The user, by the claim "sub".';
comment on column ops.project_members.email is 'Or the user, by a verified e-mail address, lower case.';
comment on column ops.project_members.role is 'viewer reads; editor orders runs; admin confirms what destroys.';
comment on column ops.project_members.created_at is 'Since when.';
create index project_members_user on ops.project_members (user_id, project_id) where user_id is not null;
create index project_members_email on ops.project_members (email, project_id) where email is not null;

create function ops_private.caller_id() returns uuid
language sql stable set search_path = '' as $$
  select case when auth.jwt() ->> 'sub' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
         then (auth.jwt() ->> 'sub')::uuid end
$$;
comment on function ops_private.caller_id() is 'The caller''s user id; null where the claim is no uuid.';
revoke all on function ops_private.caller_id() from public, anon, authenticated, service_role;
grant execute on function ops_private.caller_id() to authenticated, service_role;

create function ops_private.caller_email() returns text
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
comment on function ops_private.caller_email() is 'The caller''s verified e-mail address: as the auth server has it, else as the token''s app_metadata says. Never from what a user may edit.';
revoke all on function ops_private.caller_email() from public, anon, authenticated, service_role;

create function ops_private.my_projects() returns setof uuid
language plpgsql stable security definer set search_path = '' as $$
declare
  me uuid := ops_private.caller_id();
  address text := ops_private.caller_email();
begin
  return query
    select m.project_id from ops.project_members m where m.user_id = me
    union
    select m.project_id from ops.project_members m where m.email = address;
end
$$;
comment on function ops_private.my_projects() is 'The projects that the caller is a member of.';
revoke all on function ops_private.my_projects() from public, anon, authenticated, service_role;
grant execute on function ops_private.my_projects() to authenticated, service_role;

create function ops_private.is_member() returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select 1 from ops_private.my_projects())
$$;
comment on function ops_private.is_member() is 'Whether the caller is a member of any project: what is cluster-scoped is read by all members.';
revoke all on function ops_private.is_member() from public, anon, authenticated, service_role;
grant execute on function ops_private.is_member() to authenticated, service_role;

create function ops_private.my_project_names() returns setof text
language sql stable security definer set search_path = '' as $$
  select p.name from ops.projects p where p.id in (select ops_private.my_projects()) and p.deleted_at is null
$$;
comment on function ops_private.my_project_names() is 'The names of the caller''s projects: ops.declared knows no ids.';
revoke all on function ops_private.my_project_names() from public, anon, authenticated, service_role;
grant execute on function ops_private.my_project_names() to authenticated, service_role;

select ops_private.make_resource_table('ops.projects', 'Project');

alter table ops.project_members add constraint project_members_project
  foreign key (project_id) references ops.projects (id);
select ops_private.protect('ops.project_members');
grant delete on ops.project_members to service_role;

select ops_private.protect('ops.sandbox_runs');

-- The two tables that may hold rows of other programs: members read what is ours, and nobody reads the rest. A policy that was
-- there before us could widen that, so there the same condition also restricts.
do $$
declare
  shared record;
  mode text;
begin
  for shared in
    select * from (values
      ('ops.run_events'::regclass, 'run_events', 'seq is not null and (project_id = any (array(select ops_private.my_projects())) '
        'or (project_id is null and (select ops_private.is_member())))'),
      ('ops.artifacts'::regclass, 'artifacts', 'key = ''sha256/'' || sha256 and project_id = any (array(select ops_private.my_projects()))')
    ) as s(target, short, visible)
  loop
    for mode in
      select 'permissive' union all
      select 'restrictive' where ops_private.is_adopted(shared.target)
    loop
      execute format('create policy %I on %s as %s for select to authenticated using (%s)',
        shared.short || case mode when 'permissive' then '_members_read' else '_members_only' end, shared.target, mode, shared.visible);
    end loop;
  end loop;
end
$$;
