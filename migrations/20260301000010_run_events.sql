-- ops.run_events: what happened in each run, in order, append-only and chained.
-- Also the schemas, the check that the server was prepared, and how a table that is there already is adopted (decision 050).

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

do $$
declare
  found record;
begin
  for found in
    select format('schema %I', nspname) as what, nspowner as owner from pg_catalog.pg_namespace
    where nspname in ('ops', 'ops_private')
    union all
    select format('table ops.%I', relname), relowner from pg_catalog.pg_class
    where relnamespace = to_regnamespace('ops') and relname in ('run_events', 'artifacts')
  loop
    if not pg_has_role(found.owner, 'usage') then
      raise exception '% belongs to the role "%"; migrate as that role, or give it away: alter % owner to %',
        found.what, pg_get_userbyid(found.owner), found.what, quote_ident(current_user);
    end if;
  end loop;
end
$$;

create schema if not exists ops;
comment on schema ops is 'What WorkbenchX declared, did and saw. Callers read, by project membership; every write of a caller is a function.';
revoke all on schema ops from public, anon, authenticated, service_role;
grant usage on schema ops to authenticated, service_role;

create schema if not exists ops_private;
comment on schema ops_private is 'Helpers of ops: never exposed by an API.';
revoke all on schema ops_private from public, anon, authenticated, service_role;
grant usage on schema ops_private to authenticated, service_role;

create function ops_private.refuse_change() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception '%.% is append-only: % is refused', tg_table_schema, tg_table_name, lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;
comment on function ops_private.refuse_change() is 'Trigger: refuses UPDATE, DELETE and TRUNCATE of an append-only table, for its owner too.';
revoke all on function ops_private.refuse_change() from public, anon, authenticated, service_role;

create function ops_private.is_adopted(target regclass) returns boolean
language sql stable set search_path = '' as $$
  select exists (select 1 from pg_catalog.pg_constraint
                 where conrelid = target and conname = (select relname || '_ours' from pg_catalog.pg_class where oid = target))
$$;
comment on function ops_private.is_adopted(regclass) is 'Whether the table was there before us: it holds rows of other programs too.';
revoke all on function ops_private.is_adopted(regclass) from public, anon, authenticated, service_role;

create function ops_private.adopt(target regclass, ours text, variadic wanted text[]) returns void
language plpgsql set search_path = '' as $$
declare
  short text := (select relname from pg_catalog.pg_class where oid = target);
  wish record;
  programs text;
  wrong text;
  taken boolean;
begin
  -- Whoever uses the table waits behind us; we do not wait for ever behind a long transaction.
  perform set_config('lock_timeout', '10s', true);
  execute format('lock table %s in access exclusive mode', target);
  select string_agg(told, '; ') into wrong from (
    select format('%s is no plain, logged table', target) as told from pg_catalog.pg_class
    where oid = target and (relkind <> 'r' or relpersistence <> 'p')
    union all
    select format('%s.%I is %s, and WorkbenchX needs %s', target, a.attname,
      pg_catalog.format_type(a.atttypid, a.atttypmod) || case when a.attgenerated <> '' then ' (generated)' else '' end,
      split_part(split_part(w, ' ', 2), '|', 1))
    from unnest(wanted) as w
    join pg_catalog.pg_attribute a on a.attrelid = target and a.attname = split_part(w, ' ', 1) and not a.attisdropped
    where a.attgenerated <> '' or a.atttypid <> all (string_to_array(split_part(w, ' ', 2), '|')::regtype[])
  ) as problems;
  if wrong is not null then
    raise exception '%; rename what is in the way (alter table % rename column ... to ...) or convert it, then migrate again',
      wrong, target using errcode = 'datatype_mismatch';
  end if;
  for wish in
    select split_part(w, ' ', 1) as name, split_part(split_part(w, ' ', 2), '|', 1) as type from unnest(wanted) as w
  loop
    execute format('alter table %s add column if not exists %I %s', target, wish.name, wish.type);
  end loop;
  execute format('select exists (select 1 from %s where %s)', target, ours) into taken;
  if taken then
    raise exception '% has rows where %, which is the mark of the rows of WorkbenchX; rename the column (alter table % rename column ... to ...), then migrate again',
      target, ours, target using errcode = 'check_violation';
  end if;
  -- Programs with logins of their own go on with their rows, and see nothing of ours.
  select string_agg(distinct quote_ident(r.rolname), ', ') into programs
  from pg_catalog.pg_class c cross join lateral pg_catalog.aclexplode(c.relacl) as g
  join pg_catalog.pg_roles r on r.oid = g.grantee
  where c.oid = target and r.oid <> c.relowner
    and r.rolname not in ('anon', 'authenticated', 'service_role');
  if programs is not null then
    execute format('create policy %I on %s as %s for all to %s using ((%s) is not true) with check ((%s) is not true)',
      short || '_other_programs', target,
      (select case when relrowsecurity then 'restrictive' else 'permissive' end from pg_catalog.pg_class where oid = target),
      programs, ours, ours);
  end if;
end
$$;
comment on function ops_private.adopt(regclass, text, text[]) is 'Used by migrations: takes over a table of other programs. Adds columns, refuses types that do not fit, touches no row.';
revoke all on function ops_private.adopt(regclass, text, text[]) from public, anon, authenticated, service_role;

create function ops_private.guard(target regclass) returns void
language plpgsql set search_path = '' as $$
declare
  counter text;
begin
  execute format('alter table %s enable row level security', target);
  execute format('revoke all on %s from public, anon, authenticated', target);
  if not ops_private.is_adopted(target) then
    execute format('revoke all on %s from service_role', target);
  end if;
  for counter in
    select distinct d.refobjid::regclass::text from pg_catalog.pg_attrdef f
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_attrdef'::regclass and d.objid = f.oid
      and d.refclassid = 'pg_catalog.pg_class'::regclass
    join pg_catalog.pg_class s on s.oid = d.refobjid and s.relkind = 'S'
    where f.adrelid = target
  loop
    execute format('grant usage on sequence %s to service_role', counter);
  end loop;
  execute format('grant select on %s to authenticated', target);
end
$$;
comment on function ops_private.guard(regclass) is 'Used by migrations: row-level security and grants of a table that may hold rows of other programs: what service_role could do there it can still do.';
revoke all on function ops_private.guard(regclass) from public, anon, authenticated, service_role;

do $$
begin
  if to_regclass('ops.run_events') is null then
    return;
  end if;
  perform ops_private.adopt('ops.run_events', 'seq is not null', 'run_id text|varchar|uuid', 'seq bigint',
    'at timestamptz', 'type text|varchar', 'actor text|varchar', 'project_id uuid', 'data jsonb');
  if (select not atthasdef from pg_catalog.pg_attribute where attrelid = 'ops.run_events'::regclass and attname = 'at') then
    alter table ops.run_events alter column at set default now();
  end if;
  alter table ops.run_events add constraint run_events_ours check (seq is null or coalesce(
    seq > 0 and run_id::text = run_id::text::uuid::text and at is not null
    and type ~ '^[A-Z][A-Za-z]{1,63}$' and actor is not null and jsonb_typeof(data) = 'object', false)) not valid;
  create unique index run_events_ours_key on ops.run_events ((run_id::text), seq) where seq is not null;
end
$$;

create table if not exists ops.run_events (
  run_id text collate "C" not null check (run_id = run_id::uuid::text),
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

-- Only rows that we wrote: in an adopted table other programs change their own.
create trigger run_events_no_update before update on ops.run_events
for each row when (old.seq is not null or new.seq is not null) execute function ops_private.refuse_change();
create trigger run_events_no_delete before delete on ops.run_events
for each row when (old.seq is not null) execute function ops_private.refuse_change();
create trigger run_events_no_truncate before truncate on ops.run_events
for each statement execute function ops_private.refuse_change();

select ops_private.guard('ops.run_events');
grant select, insert on ops.run_events to service_role;

do $$
begin
  insert into ops.run_events (run_id, seq, at, type, actor, data)
  select run, n, now(), 'Probe', 'migrate', '{}'
  from gen_random_uuid() as run cross join generate_series(1, 2) as n;
  raise exception using errcode = 'WX000', message = 'undo';
exception
  when sqlstate 'WX000' then
    null;
  when others then
    raise exception 'ops.run_events does not take the rows of WorkbenchX: %; mend that, or rename the table (alter table ops.run_events rename to ...), then migrate again', sqlerrm;
end
$$;
