-- ops.datasets: References to data that lives elsewhere; never the data.

create table ops.datasets (
  like ops_private.resource including defaults including constraints including comments,
  uri text generated always as (spec ->> 'uri') stored,
  format text generated always as (spec ->> 'format') stored,
  version text generated always as (spec ->> 'version') stored,
  sha256 text generated always as (spec ->> 'sha256') stored,
  classification text generated always as (spec ->> 'classification') stored
);
comment on table ops.datasets is 'References to data that lives elsewhere; never the data.';
comment on column ops.datasets.uri is 'Where the data lives.';
comment on column ops.datasets.format is 'Its format.';
comment on column ops.datasets.version is 'Its version.';
comment on column ops.datasets.sha256 is 'Its declared digest.';
comment on column ops.datasets.classification is 'How confidential it is.';
create unique index datasets_living_name on ops.datasets (namespace, name) where deleted_at is null;
select ops_private.make_resource_table('ops.datasets', 'Dataset');
