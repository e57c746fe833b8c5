-- Which storage has the bytes of an artifact. A project may go over to another one; what is there stays where it lies.

set lock_timeout = '5s';
set statement_timeout = '60s';

alter table ops.artifacts add column if not exists storage text;
comment on column ops.artifacts.storage is 'Name of the StorageProvider that the bytes were put in; null: before this was recorded, or the embedded one.';
