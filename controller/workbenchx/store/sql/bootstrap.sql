-- name: one_at_a_time
-- Two bootstraps at once would race for the roles; the lock belongs to the session and ends with it.
select pg_advisory_lock(7762310001);

-- name: one_at_a_time_here
-- The same for what lives inside the database; the lock ends with the transaction.
select pg_advisory_xact_lock(7762310002);

-- name: done
-- Let the next bootstrap in at once.
select pg_advisory_unlock(7762310001);

-- name: database_exists
-- CREATE DATABASE has no IF NOT EXISTS.
select 1 from pg_catalog.pg_database where datname = %(database)s;

-- name: is_done
-- The mark is written last, in the transaction of the last step. A server that had no pgvector then may have it now.
select 1 from pg_catalog.pg_database d
cross join lateral (select pg_catalog.shobj_description(d.oid, 'pg_database') as told) m
where d.datname = %(database)s and (m.told = %(mark)s || ' with pgvector' or m.told = %(mark)s || ' without pgvector'
  and not exists (select 1 from pg_catalog.pg_available_extensions where name = 'vector'));

-- name: mark
-- What is_done looks for.
select %(mark)s || case when exists (select 1 from pg_catalog.pg_extension where extname = 'vector')
  then ' with pgvector' else ' without pgvector' end;

-- name: roles
-- A role that is there is left as it is: on Supabase the API roles are theirs.
do $$
declare
  missing text;
begin
  for missing in
    select wanted from unnest(array['anon', 'authenticated', 'service_role']) as wanted
    where not exists (select 1 from pg_catalog.pg_roles where rolname = wanted)
  loop
    execute format('create role %I nologin noinherit', missing);
    if missing = 'service_role' then
      alter role service_role bypassrls;
    end if;
  end loop;
  for missing in
    select wanted from unnest(array['wbx_migrate', 'wbx_engine', 'wbx_api']) as wanted
    where not exists (select 1 from pg_catalog.pg_roles where rolname = wanted)
  loop
    execute format('create role %I login noinherit', missing);
  end loop;
  grant service_role to wbx_engine;
  grant anon, authenticated to wbx_api;
  alter role wbx_engine set role to 'service_role';
  alter role wbx_api set statement_timeout to '8s';
end
$$;

-- name: auth
-- What Supabase calls auth.*: claims of the request, from transaction-local settings. Only where there is none.
do $$
begin
  if to_regnamespace('auth') is null then
    create schema auth;
    create function auth.jwt() returns jsonb language sql stable set search_path = '' as
      $f$ select coalesce(nullif(current_setting('request.jwt.claim', true), ''),
                          nullif(current_setting('request.jwt.claims', true), ''))::jsonb $f$;
    create function auth.uid() returns uuid language sql stable set search_path = '' as
      $f$ select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
                          nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $f$;
    create function auth.role() returns text language sql stable set search_path = '' as
      $f$ select coalesce(nullif(current_setting('request.jwt.claim.role', true), ''),
                          nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role') $f$;
    create function auth.email() returns text language sql stable set search_path = '' as
      $f$ select coalesce(nullif(current_setting('request.jwt.claim.email', true), ''),
                          nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email') $f$;
    comment on schema auth is 'Claims of the caller, as on Supabase.';
    comment on function auth.jwt() is 'All claims of the caller; null outside a request.';
    comment on function auth.uid() is 'The claim "sub"; null outside a request.';
    comment on function auth.role() is 'The claim "role"; null outside a request.';
    comment on function auth.email() is 'The claim "email"; null outside a request.';
    grant usage on schema auth to anon, authenticated, service_role, wbx_migrate;
  end if;
  if to_regnamespace('extensions') is null then
    create schema extensions;
    comment on schema extensions is 'Extensions live here, as on Supabase.';
    grant usage on schema extensions to anon, authenticated, service_role, wbx_migrate;
  end if;
end
$$;

-- name: vector
-- Retrieval needs pgvector; a server without it works, and says that retrieval is off.
do $$
begin
  if exists (select 1 from pg_catalog.pg_available_extensions where name = 'vector') then
    create extension if not exists vector with schema extensions;
  end if;
end
$$;

-- name: grants
-- wbx_migrate makes our schemas; nobody else makes anything; nobody gets in who is not named.
do $$
begin
  execute format('revoke all on database %I from public', current_database());
  execute format('grant connect, create, temporary on database %I to wbx_migrate', current_database());
  execute format('grant connect, temporary on database %I to wbx_engine, service_role', current_database());
  execute format('grant connect on database %I to wbx_api, anon, authenticated', current_database());
  revoke create on schema public from public;
end
$$;
