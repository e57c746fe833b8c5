-- ops.sources: Git repositories that are followed.

create table ops.sources (
  like ops_private.resource including defaults including constraints including comments,
  url text generated always as (spec ->> 'url') stored,
  branch text generated always as (spec ->> 'branch') stored
);
comment on table ops.sources is 'Git repositories that are followed.';
comment on column ops.sources.url is 'The repository.';
comment on column ops.sources.branch is 'The branch that is followed.';
create unique index sources_living_name on ops.sources (namespace, name) where deleted_at is null;
select ops_private.make_resource_table('ops.sources', 'Source');
