-- Writing to the chains of events, for the engine and for what callers order: one implementation.

create function ops_private.append_events(events json) returns void
language plpgsql set search_path = '' as $$
begin
  -- The runs' rows are the lock of their chains. The digest is written out here and where chains are verified, because
  -- a function would cost more than the hash. Only the actor may hold a line break, and it comes last.
  with input as materialized (
    select * from rows from (json_to_recordset(events) as (run_id uuid, type text, actor text, project text,
      data jsonb)) with ordinality as e(run_id, type, actor, project, data, nr)
  ), chained as materialized (
    select r.run_id, r.event_seq, r.event_hash, r.project_id from ops.runs r
    where r.run_id in (select i.run_id from input i) order by r.run_id for update
  ), numbered as materialized (
    select i.run_id, c.event_seq + row_number() over (partition by i.run_id order by i.nr) as seq, now() as at, i.type,
      i.actor, coalesce(p.id, c.project_id) as project_id, coalesce(i.data, jsonb_build_object()) as data
    from input i join chained c using (run_id)
    left join ops.projects p on p.name = i.project and p.deleted_at is null
  ), batches as materialized (
    select n.run_id, min(n.seq) as first_seq, max(n.seq) as last_seq, c.event_hash as prev_hash, c.project_id,
      sha256(c.event_hash || string_agg(
        sha256(convert_to(concat_ws(E'\n', n.seq, (extract(epoch from n.at) * 1000000)::bigint, n.type,
          coalesce(n.project_id::text, ''), n.data::text, n.actor), 'UTF8')), ''::bytea order by n.seq)) as hash
    from numbered n join chained c using (run_id)
    group by n.run_id, c.event_hash, c.project_id
  ), written as (
    insert into ops.run_events (run_id, seq, at, type, actor, project_id, data)
    select run_id, seq, at, type, actor, project_id, data from numbered
  ), linked as (
    insert into ops.event_batches (run_id, first_seq, last_seq, prev_hash, hash, project_id)
    select run_id, first_seq, last_seq, prev_hash, hash, project_id from batches
  )
  update ops.runs r set event_seq = b.last_seq, event_hash = b.hash,
    event_head = case when r.ended_at is not null then b.hash end
  from batches b where r.run_id = b.run_id;
end
$$;
comment on function ops_private.append_events(json) is 'Numbers, digests, chains and writes the events of any number of runs: [{run_id, type, actor, project, data}].';
revoke all on function ops_private.append_events(json) from public, anon, authenticated, service_role;
grant execute on function ops_private.append_events(json) to service_role;

create function ops_private.cancel_runs(run_ids uuid[], because text, who text) returns bigint
language plpgsql set search_path = '' as $$
declare
  told json;
  asked bigint;
begin
  with wanted as (
    select r.run_id, r.state = 'queued' and r.fencing = 0 as untouched from ops.runs r
    where r.run_id = any(run_ids) and r.state in ('queued', 'running') order by r.run_id for update
  ), changed as (
    update ops.runs r set cancel_requested_at = coalesce(r.cancel_requested_at, now()),
      not_before = least(r.not_before, now()),
      state = case when w.untouched then 'cancelled' else r.state end,
      ended_at = case when w.untouched then now() end,
      reason = case when w.untouched then 'Cancelled' else r.reason end,
      message = case when w.untouched then 'cancelled before any worker took it' else r.message end
    from wanted w where r.run_id = w.run_id
    returning r.run_id, w.untouched
  )
  select count(distinct c.run_id), json_agg(e.event order by c.run_id, e.nr) into asked, told
  from changed c cross join lateral (values
    (1, json_build_object('run_id', c.run_id, 'type', 'CancelRequested', 'actor', who,
                          'data', json_build_object('because', because))),
    (2, case when c.untouched then
      json_build_object('run_id', c.run_id, 'type', 'RunCancelled', 'actor', 'engine',
                        'data', json_build_object('reason', 'Cancelled')) end)) as e(nr, event)
  where e.event is not null;
  if asked > 0 then
    perform ops_private.append_events(told);
  end if;
  return asked;
end
$$;
comment on function ops_private.cancel_runs(uuid[], text, text) is 'Asks for the end of runs, and tells it; how many were open. What no worker ever held ends at once; what one holds or held is told to, and ends when the provider confirms it.';
revoke all on function ops_private.cancel_runs(uuid[], text, text) from public, anon, authenticated, service_role;
grant execute on function ops_private.cancel_runs(uuid[], text, text) to service_role;
