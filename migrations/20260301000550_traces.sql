-- The trace under which something was ordered: from the request, through the order, to the run that carries it out.

set lock_timeout = '5s';
set statement_timeout = '60s';

create function ops_private.traceparent() returns text
language sql stable set search_path = '' as $$
  select said from (select current_setting('request.traceparent', true)) as v (said)
  where length(said) = 55 and said ~ '^00-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+$'
    and split_part(said, '-', 2) ~ '[1-9a-f]' and length(split_part(said, '-', 2)) = 32 and length(split_part(said, '-', 3)) = 16
$$;
comment on function ops_private.traceparent() is 'The trace of the transaction, as its request.traceparent says (W3C); null where it says none.';
revoke all on function ops_private.traceparent() from public, anon, authenticated, service_role;
grant execute on function ops_private.traceparent() to service_role;

alter table ops.interventions add column traceparent text;
alter table ops.interventions alter column traceparent set default ops_private.traceparent();
alter table ops.interventions add constraint interventions_traceparent check (length(traceparent) = 55) not valid;
comment on column ops.interventions.traceparent is 'The trace of the request that ordered it (W3C), if anybody traces.';

alter table ops.runs add column traceparent text;
alter table ops.runs add constraint runs_traceparent check (length(traceparent) = 55) not valid;
comment on column ops.runs.traceparent is 'The trace of the order that led to it (W3C), if anybody traces; the worker goes on with it.';
