-- The code that runs of a project get, kept with the reading of the source that named it.

alter table ops.declared_epochs add column code jsonb not null default '{}';
comment on column ops.declared_epochs.code is 'By project: sha256 and commit of the code snapshot that its runs get.';
