-- name: claim
-- The one that is due longest; a lease that ran out is no lease.
update ops.chores set holder = %(worker)s, lease_until = statement_timestamp() + make_interval(secs => %(lease)s)
where name = (select name from ops.chores where due_at <= %(now)s and lease_until <= statement_timestamp()
              order by due_at, name limit 1 for update skip locked)
returning name;

-- name: renew
-- Only one's own.
update ops.chores set lease_until = statement_timestamp() + make_interval(secs => %(lease)s)
where name = %(name)s and holder = %(worker)s and lease_until > statement_timestamp();

-- name: conclude
-- Only one's own; what was interrupted stays due.
update ops.chores set lease_until = '-infinity', due_at = coalesce(%(due_at)s, due_at), message = %(message)s,
  ended_at = case when %(done)s then statement_timestamp() else ended_at end
where name = %(name)s and holder = %(worker)s;

-- name: next
-- When there is something to do again.
select nullif(min(greatest(due_at, lease_until)), '-infinity') from ops.chores;

-- name: prune_plans
-- By the thousand; a plan that is made again stays.
delete from ops.plans where id in (select id from ops.plans where last_seen_at < %(before)s limit %(limit)s);

-- name: prune_reservations
-- What was set aside and given back: what it was for is in the run, and what it cost in ops.usage. Both stay.
delete from ops.reservations where id in (
  select id from ops.reservations where released_at < %(before)s limit %(limit)s);

-- name: prune_answers
-- What a pull request that is not over rests on stays, whatever its age.
delete from ops.fix_answers a where (a.source, a.cause) in (
  select d.source, d.cause from ops.fix_answers d where d.asked_at < %(before)s and not exists (
    select 1 from ops.fix_proposals p where p.source = d.source and p.fingerprint = d.cause
      and p.state in ('open', 'handed_over', 'snoozed'))
  limit %(limit)s);

-- name: prune_waits
-- Of sources that FixBot has not looked at for a day: it is off there now, or they are not followed any more.
delete from ops.fix_waits w where not exists (
  select 1 from ops.fix_turns t where t.source = w.source and t.due_at > now() - interval '1 day');

-- name: prune_probes
-- A thousand at most.
select ops_private.forget_probes(%(keep)s, %(before)s);
