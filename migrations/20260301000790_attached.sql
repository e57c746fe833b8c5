-- Labels and annotations of documents: as declared, and as Sources apply them into the cluster (decision 197).

set lock_timeout = '5s'; set statement_timeout = '60s';

alter table ops.declared add column metadata jsonb not null default '{}';
comment on column ops.declared.metadata is 'Labels and annotations, but for our own; a value of more than 200 characters as its sha256.';

alter table ops.source_objects add column metadata jsonb not null default '{}';
comment on column ops.source_objects.metadata is 'Labels and annotations as its file has them.';
alter table ops.source_objects add column shown jsonb not null default '{}';
comment on column ops.source_objects.shown is 'The same as ops.declared shows them: it is as it was applied while that holds all of these.';
