-- name: recorded
-- Every provider object that is in force. Credentials here are references, never values.
select kind, name, adapter, is_default, coalesce(spec -> 'settings', '{}'), coalesce(spec -> 'credentials', '{}'),
  coalesce(spec -> 'limits', '{}'), coalesce(spec -> 'prices', '[]')
from ops.providers where deleted_at is null order by kind, not is_default, name;
