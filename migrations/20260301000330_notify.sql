-- NOTIFY ops_changed, with no payload, once per transaction, and only if something changed.

create function ops_private.notify_changed() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select 1 from changed) then
    perform pg_notify('ops_changed', '');
  end if;
  return null;
end
$$;
comment on function ops_private.notify_changed() is 'Trigger: wakes whoever listens, if the statement changed a row.';
revoke all on function ops_private.notify_changed() from public;

create function ops_private.notify_run_changed() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- EXCEPT is hashed or sorted whatever the planner believes; a join of transition tables is planned blind.
  if exists (select run_id, state, not_before, cancel_requested_at from changed
             except select run_id, state, not_before, cancel_requested_at from before) then
    perform pg_notify('ops_changed', '');
  end if;
  return null;
end
$$;
comment on function ops_private.notify_run_changed() is 'Trigger: a run changed its state or is to be cancelled; heartbeats wake nobody.';
revoke all on function ops_private.notify_run_changed() from public;

create function ops_private.notify_epoch_changed() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select 1 from changed n join before o using (source) where n.code <> o.code or n.complete <> o.complete) then
    perform pg_notify('ops_changed', '');
  end if;
  return null;
end
$$;
comment on function ops_private.notify_epoch_changed() is 'Trigger: a source has other code, or is whole now; a quiet reading wakes nobody.';
revoke all on function ops_private.notify_epoch_changed() from public;

create trigger declared_inserted after insert on ops.declared
referencing new table as changed for each statement execute function ops_private.notify_changed();
create trigger declared_updated after update on ops.declared
referencing new table as changed for each statement execute function ops_private.notify_changed();
create trigger declared_deleted after delete on ops.declared
referencing old table as changed for each statement execute function ops_private.notify_changed();
create trigger declared_epochs_inserted after insert on ops.declared_epochs
referencing new table as changed for each statement execute function ops_private.notify_changed();
create trigger declared_epochs_updated after update on ops.declared_epochs
referencing old table as before new table as changed for each statement execute function ops_private.notify_epoch_changed();
create trigger runs_inserted after insert on ops.runs
referencing new table as changed for each statement execute function ops_private.notify_changed();
create trigger runs_updated after update on ops.runs
referencing old table as before new table as changed for each statement execute function ops_private.notify_run_changed();
create trigger interventions_inserted after insert on ops.interventions
referencing new table as changed for each statement execute function ops_private.notify_changed();
create trigger observations_inserted after insert on ops.observations
referencing new table as changed for each statement execute function ops_private.notify_changed();
create trigger observations_updated after update on ops.observations
referencing new table as changed for each statement execute function ops_private.notify_changed();
create trigger observations_deleted after delete on ops.observations
referencing old table as changed for each statement execute function ops_private.notify_changed();
create trigger resource_history_inserted after insert on ops.resource_history
referencing new table as changed for each statement execute function ops_private.notify_changed();
