-- name: open
-- What nobody has handled yet, the oldest first.
select forge, delivery_id, event, repository, action, number, branch, before_commit, after_commit, received_at, handled_at
from ops.webhook_deliveries where handled_at is null and repository is not null
order by received_at, delivery_id limit %(most)s;

-- name: recent
-- The latest ones, handled or not.
select forge, delivery_id, event, repository, action, number, branch, before_commit, after_commit, received_at, handled_at
from ops.webhook_deliveries where repository is not null
order by received_at desc, delivery_id limit %(most)s;

-- name: handled
-- Once: whoever comes later changes nothing.
update ops.webhook_deliveries d set handled_at = now()
from unnest(%(forges)s::text[], %(ids)s::text[]) as done (forge, id)
where d.forge = done.forge and d.delivery_id = done.id and d.handled_at is null;

-- name: sources
-- As the console: see ops.webhook_sources.
select namespace, name, project, url, secret_ref from ops.webhook_sources();

-- name: receive
-- As the console: see ops.receive_delivery.
select ops.receive_delivery(%(told)s::jsonb);
