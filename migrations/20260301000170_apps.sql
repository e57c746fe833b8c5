-- ops.apps: Analytical apps: where the code is, how it starts.

create table ops.apps (
  like ops_private.resource including defaults including constraints including comments,
  port text generated always as (spec ->> 'port') stored
);
comment on table ops.apps is 'Analytical apps: where the code is, how it starts.';
comment on column ops.apps.port is 'The port that it listens on.';
create unique index apps_living_name on ops.apps (namespace, name) where deleted_at is null;
select ops_private.make_resource_table('ops.apps', 'App');
