-- What the database was brought up to, for whoever wants to know whether it can serve.

create function ops_private.applied_migrations() returns text[]
language sql stable security definer set search_path = '' as $$
  select coalesce(array_agg(version order by version), '{}') from supabase_migrations.schema_migrations
$$;
comment on function ops_private.applied_migrations() is 'The versions that were applied; any caller may ask, as the readiness check does before anybody signs in.';
revoke all on function ops_private.applied_migrations() from public, anon, authenticated, service_role;
grant execute on function ops_private.applied_migrations() to authenticated, service_role;
