-- name: gate
-- The row under whose lock places are counted.
insert into ops.provider_gates (provider) values (%(gate)s) on conflict (provider) do nothing;

-- name: gate_alone
-- Whoever counts at the same time waits.
select 1 from ops.provider_gates where provider = %(gate)s for update;

-- name: place
-- One more, if there is one. A reservation that is over or was given back holds none.
update ops.reservations r set place = %(gate)s
where r.run_id = %(run_id)s and r.released_at is null and (
  select count(*) from ops.reservations o
  where o.place = %(gate)s and o.released_at is null and o.until_at > now() and o.id <> r.id) < %(most)s
returning 1;
