-- ops.model_deployments: Models served by the gateway under an alias.

create table ops.model_deployments (
  like ops_private.resource including defaults including constraints including comments,
  model text generated always as (spec ->> 'model') stored,
  alias text generated always as (spec ->> 'alias') stored
);
comment on table ops.model_deployments is 'Models served by the gateway under an alias.';
comment on column ops.model_deployments.model is 'The Model that is served.';
comment on column ops.model_deployments.alias is 'The name that callers use.';
create unique index model_deployments_living_name on ops.model_deployments (namespace, name) where deleted_at is null;
select ops_private.make_resource_table('ops.model_deployments', 'ModelDeployment');
