-- ops.app_deployments: Apps at a revision, running, with a URL.

create table ops.app_deployments (
  like ops_private.resource including defaults including constraints including comments,
  app text generated always as (spec ->> 'app') stored,
  runtime text generated always as (spec ->> 'runtime') stored,
  revision text generated always as (coalesce(facts ->> 'revision', spec ->> 'revision')) stored,
  url text generated always as (facts ->> 'url') stored
);
comment on table ops.app_deployments is 'Apps at a revision, running, with a URL.';
comment on column ops.app_deployments.app is 'The App that is deployed.';
comment on column ops.app_deployments.runtime is 'The Runtime that it runs on.';
comment on column ops.app_deployments.revision is 'The resolved commit, else the declared revision.';
comment on column ops.app_deployments.url is 'Where it answers.';
create unique index app_deployments_living_name on ops.app_deployments (namespace, name) where deleted_at is null;
select ops_private.make_resource_table('ops.app_deployments', 'AppDeployment');
