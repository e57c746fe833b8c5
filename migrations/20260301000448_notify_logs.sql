-- NOTIFY ops_logs, with no payload, when output of a program is recorded: for whoever shows it as it comes. The engine does
-- not listen to it.

create function ops_private.notify_logs() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform pg_notify('ops_logs', '');
  return null;
end
$$;
comment on function ops_private.notify_logs() is 'Trigger: wakes whoever shows output.';
revoke all on function ops_private.notify_logs() from public, anon, authenticated, service_role;

create trigger log_chunks_inserted after insert on ops.log_chunks
for each statement execute function ops_private.notify_logs();
