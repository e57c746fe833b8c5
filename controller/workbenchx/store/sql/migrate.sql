-- name: lock
-- One migrating process at a time; the lock ends with the connection. It is tried, not waited for: a waiting statement
-- has a snapshot, and an index that is built concurrently waits for that.
select pg_try_advisory_lock(7762310003);

-- name: history
-- The Supabase CLI's own table, made as it makes it.
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
  version text not null primary key,
  statements text[],
  name text
);

-- name: applied
-- What the database has.
select version from supabase_migrations.schema_migrations order by version;

-- name: is_applied
-- Asked again under the lock: another process may have been faster.
select 1 from supabase_migrations.schema_migrations where version = %(version)s;

-- name: reset
-- As the Supabase CLI does it: what a file sets for the session ends with the file.
reset all;

-- name: invalid
-- What an index leaves behind that could not be built concurrently.
select indexrelid::regclass::text from pg_catalog.pg_index
where not indisvalid and indrelid in (select oid from pg_catalog.pg_class where relnamespace = to_regnamespace('ops'));

-- name: record
-- In the transaction of the file itself.
insert into supabase_migrations.schema_migrations (version, name, statements)
values (%(version)s, %(name)s, %(statements)s);

-- name: name_installation
-- Only a name that nobody gave yet.
update ops.installation set environment = %(environment)s where environment = 'unnamed';

-- name: enable_retrieval
-- At each migrating: pgvector may have come after the migration that needs it.
do $$
begin
  if to_regprocedure('ops_private.enable_retrieval()') is not null then
    perform ops_private.enable_retrieval();
  end if;
end
$$;
