-- name: unanchored
-- The heads that are due, by run id. A run that has ended within this moment may have no event yet.
select run_id::text, event_seq, encode(event_head, 'hex') from ops.runs
where ended_at is not null and anchor is null and ended_at < %(before)s and event_head is not null
  and run_id > %(after)s::uuid
order by run_id limit %(limit)s;

-- name: anchors
-- By number.
select number, day, root, prev, runs, events from ops.anchors order by number;

-- name: mark
-- Locked in the order in which appending locks. What has grown since it was read stays due.
with held as materialized (
  select r.run_id from ops.runs r
  join unnest(%(ids)s::uuid[], %(events)s::bigint[], %(heads)s::text[]) as i(run_id, events, head) using (run_id)
  where r.ended_at is not null and r.anchor is null and r.event_seq = i.events and r.event_head = decode(i.head, 'hex')
  order by r.run_id for update of r
)
update ops.runs r set anchor = %(number)s from held h where r.run_id = h.run_id;

-- name: record
-- A copy of what stands in storage; again changes nothing.
insert into ops.anchors (number, day, root, prev, runs, events, key)
values (%(number)s, %(day)s, %(root)s, %(prev)s, %(runs)s, %(events)s, 'sha256/' || %(root)s)
on conflict do nothing;
