-- name: installation
-- The one row.
select id::text, environment from ops.installation;

-- name: join
-- The first cluster stays; one row, so two that come at once follow each other.
update ops.installation set cluster_uid = %(cluster)s where cluster_uid is null;

-- name: cluster
-- Whose it is now.
select cluster_uid from ops.installation;

-- name: acquire
-- Free, expired, or ours already: a new epoch, which fences whoever led before.
update ops.leader set holder = %(holder)s, epoch = epoch + 1, until = now() + make_interval(secs => %(ttl)s)
where holder is null or until < now() or holder = %(holder)s
returning epoch;

-- name: renew
-- Only the holder of this very epoch; an expired lease that nobody took is still its own.
update ops.leader set until = now() + make_interval(secs => %(ttl)s)
where holder = %(holder)s and epoch = %(epoch)s;

-- name: release
-- The epoch stays: the next holder gets a higher one.
update ops.leader set holder = null, until = '-infinity' where holder = %(holder)s and epoch = %(epoch)s;

-- name: fence
-- A share lock: nobody can become leader until this transaction has ended.
select 1 from ops.leader where epoch = %(epoch)s for share;
