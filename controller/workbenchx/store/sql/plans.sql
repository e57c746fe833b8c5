-- name: keep
-- The same plan again only moves its last sight.
insert into ops.plans (id, destroy_token, complete, "commit", document, run_id)
values (%(id)s, %(destroy_token)s, %(complete)s, %(commit)s, %(document)s::jsonb, %(run_id)s)
on conflict (id) do update set last_seen_at = now();
