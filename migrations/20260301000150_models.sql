-- ops.models: The model registry: versions, each an artifact with the run that made it.

create table ops.models (
  like ops_private.resource including defaults including constraints including comments,
  resolved jsonb generated always as (facts -> 'versions') stored
);
comment on table ops.models is 'The model registry: versions, each an artifact with the run that made it.';
comment on column ops.models.resolved is 'The versions with their recorded artifacts.';
create unique index models_living_name on ops.models (namespace, name) where deleted_at is null;
select ops_private.make_resource_table('ops.models', 'Model');
