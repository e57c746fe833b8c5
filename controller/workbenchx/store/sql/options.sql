-- name: recorded
-- Every provider object that is in force. Credentials here are references, never values.
select kind, name, adapter, is_default, coalesce(spec -> 'settings', '{}'), coalesce(spec -> 'credentials', '{}'),
  coalesce(spec -> 'limits', '{}'), coalesce(spec -> 'prices', '[]')
from ops.providers where deleted_at is null order by kind, not is_default, name;

-- name: storage_of
-- What a living Project chose.
select spec #>> '{providers,storage}' from ops.projects where name = %(project)s and deleted_at is null;

-- name: storages_with
-- Pointers whose bytes retention takes away count too: that is how they are found.
select storage from ops.artifacts where sha256 = %(sha256)s and storage is not null and key = 'sha256/' || sha256
group by storage order by max(created_at) desc, storage;
