-- What a look at a Source changes is told as such: whoever plans need not look at everything else for that. No names: any login may listen.
set lock_timeout = '5s';
set statement_timeout = '60s';

create or replace function ops_private.notify_source_changed() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select source, spec, seen, applied, reason, message, details, asked_at, ended_at from changed
             except select source, spec, seen, applied, reason, message, details, asked_at, ended_at from before) then
    perform pg_notify('ops_changed', 'Source');
  end if;
  return null;
end
$$;
comment on function ops_private.notify_source_changed() is
  'Trigger: a source saw or applied something, or is to be looked at; a quiet look wakes nobody.';

create or replace function ops_private.notify_run_queued() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select 1 from changed where operation not in ('answer', 'sync')) then
    perform pg_notify('ops_changed', '');
  elsif exists (select 1 from changed where operation = 'sync') then
    perform pg_notify('ops_changed', 'Source');
  end if;
  return null;
end
$$;
comment on function ops_private.notify_run_queued() is
  'Trigger: a run was written that somebody may have to look at; a look at a Source as such, answers of models not at all.';
