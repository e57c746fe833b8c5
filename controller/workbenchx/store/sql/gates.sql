-- name: gates
-- Every gate, with seconds instead of times: the clock is the database's; and the calls a minute that a provider object allows,
-- of several with one adapter the least; an InferenceProvider has a gate of its own.
select coalesce(g.provider, l.adapter),
  coalesce(greatest(extract(epoch from g.held_until - statement_timestamp()), 0), 0)::double precision,
  g.opened_at is not null,
  coalesce(greatest(extract(epoch from g.retry_at - statement_timestamp()), 0), 0)::double precision,
  coalesce(g.message, ''), l.most
from ops.provider_gates g
full join (
  select adapter, min((spec #>> '{limits,requestsPerMinute}')::integer) as most from ops.providers
  where deleted_at is null and kind = 'SandboxProvider' and spec #>> '{limits,requestsPerMinute}' ~ '^[0-9]{1,7}$'
  group by adapter
  union all
  select 'InferenceProvider/' || name, (spec #>> '{limits,requestsPerMinute}')::integer from ops.providers
  where deleted_at is null and kind = 'InferenceProvider' and spec #>> '{limits,requestsPerMinute}' ~ '^[0-9]{1,7}$'
) l on l.adapter = g.provider;

-- name: gate
-- The row that reserve counts in.
insert into ops.provider_gates (provider) values (%(provider)s) on conflict (provider) do nothing;

-- name: reserve
-- A share of this minute's calls, and the seconds until the next minute. Whoever reserves at the same time waits for the row.
with old as (
  select minute, taken, date_trunc('minute', statement_timestamp()) as now from ops.provider_gates
  where provider = %(provider)s for update
), share as (
  select now, used, least(%(wanted)s, greatest(%(most)s - used, 0)) as given
  from (select now, case when minute = now then taken else 0 end as used from old) o
)
update ops.provider_gates g set minute = s.now, taken = s.used + s.given from share s where g.provider = %(provider)s
returning s.given, extract(epoch from s.now + interval '1 minute' - statement_timestamp())::double precision;

-- name: hold
-- The longest wish to slow down counts.
insert into ops.provider_gates as g (provider, held_until, message)
values (%(provider)s, statement_timestamp() + make_interval(secs => %(seconds)s), %(message)s)
on conflict (provider) do update set held_until = excluded.held_until, message = excluded.message, updated_at = now()
where g.held_until is null or g.held_until < excluded.held_until;

-- name: leave_alone
-- For a while; for twice as long each time that a probe failed. What fails late while it is left alone says nothing new.
insert into ops.provider_gates as g (provider, opens, opened_at, retry_at, message)
values (%(provider)s, 1, statement_timestamp(), statement_timestamp() + make_interval(secs => %(pause)s), %(message)s)
on conflict (provider) do update set message = excluded.message, probe_until = null, opens = g.opens + 1,
  opened_at = coalesce(g.opened_at, excluded.opened_at), updated_at = now(),
  retry_at = statement_timestamp() + make_interval(secs => least(%(pause)s * 2 ^ least(g.opens, 20), %(longest)s))
where g.opened_at is null or g.retry_at <= statement_timestamp();

-- name: answers
-- It answered a probe.
update ops.provider_gates set opens = 0, opened_at = null, retry_at = null, probe_until = null, message = '',
  updated_at = now()
where provider = %(provider)s and opened_at is not null;

-- name: probe
-- One of all may try.
update ops.provider_gates set probe_until = statement_timestamp() + make_interval(secs => %(seconds)s)
where provider = %(provider)s and opened_at is not null and retry_at <= statement_timestamp()
  and (probe_until is null or probe_until < statement_timestamp())
returning 1;
