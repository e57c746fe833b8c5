-- name: open
-- What nobody has handled yet, the oldest first.
select forge, delivery_id, event, repository, action, number, branch, before_commit, after_commit, received_at, handled_at,
  context, again_at
from ops.webhook_deliveries where handled_at is null and repository is not null
order by received_at, delivery_id limit %(most)s;

-- name: recent
-- The latest ones, handled or not.
select forge, delivery_id, event, repository, action, number, branch, before_commit, after_commit, received_at, handled_at,
  context, again_at
from ops.webhook_deliveries where repository is not null
order by received_at desc, delivery_id limit %(most)s;

-- name: handled
-- Once: whoever comes later changes nothing. What a person wanted anew in the meantime stays open.
update ops.webhook_deliveries d set handled_at = now()
from unnest(%(forges)s::text[], %(ids)s::text[], %(again)s::timestamptz[]) as done (forge, id, again_at)
where d.forge = done.forge and d.delivery_id = done.id and d.handled_at is null
  and d.again_at is not distinct from done.again_at;

-- name: again
-- As ops.deliver_again does for callers.
update ops.webhook_deliveries set handled_at = null, again_at = clock_timestamp(), again_by = %(actor)s
where forge = %(forge)s and delivery_id = %(id)s and repository is not null returning again_at;

-- name: order_again
-- As a caller.
select ops.deliver_again(%(forge)s, %(id)s);

-- name: sources
-- As the console: see ops.webhook_sources.
select namespace, name, project, url, secret_ref from ops.webhook_sources();

-- name: receive
-- As the console: see ops.receive_delivery.
select ops.receive_delivery(%(told)s::jsonb);

-- name: tally
-- As the console: see ops.tally_delivery.
select ops.tally_delivery(%(told)s::jsonb);
