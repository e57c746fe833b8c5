-- ops.providers: one row for each option of each of the three provider kinds.

create table ops.providers (
  like ops_private.resource including defaults including constraints including comments,
  adapter text generated always as (spec ->> 'adapter') stored,
  is_default boolean generated always as (coalesce(spec -> 'default' = 'true'::jsonb, false)) stored
);
comment on table ops.providers is 'Options for where code runs, models answer and artifacts are stored.';
comment on column ops.providers.adapter is 'The adapter that speaks to it.';
comment on column ops.providers.is_default is 'Whether it serves what names no provider.';
create unique index providers_living_name on ops.providers (kind, namespace, name) where deleted_at is null;
select ops_private.make_resource_table('ops.providers', 'SandboxProvider', 'InferenceProvider', 'StorageProvider');
