-- NOTIFY ops_events, with no payload, when events are written: for whoever shows a run as it goes. Most come with a change
-- of state, which ops_changed tells; the engine listens to that alone and does not plan anew for the others.

create function ops_private.notify_events() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select 1 from changed) then
    perform pg_notify('ops_events', '');
  end if;
  return null;
end
$$;
comment on function ops_private.notify_events() is 'Trigger: wakes whoever follows runs.';
revoke all on function ops_private.notify_events() from public, anon, authenticated, service_role;

create trigger event_batches_inserted after insert on ops.event_batches
referencing new table as changed for each statement execute function ops_private.notify_events();
