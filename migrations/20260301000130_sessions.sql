-- ops.sessions: Interactive compute, kept until its time is up.

create table ops.sessions (
  like ops_private.resource including defaults including constraints including comments,
  runtime text generated always as (spec ->> 'runtime') stored,
  owner text generated always as (spec ->> 'owner') stored,
  url text generated always as (facts ->> 'url') stored
);
comment on table ops.sessions is 'Interactive compute, kept until its time is up.';
comment on column ops.sessions.runtime is 'The Runtime that it runs on.';
comment on column ops.sessions.owner is 'The person that it is for.';
comment on column ops.sessions.url is 'Where it answers.';
create unique index sessions_living_name on ops.sessions (namespace, name) where deleted_at is null;
select ops_private.make_resource_table('ops.sessions', 'Session');
