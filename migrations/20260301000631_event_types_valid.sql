-- The rows that were there before 630 passed the same check in other words.
set lock_timeout = '5s';
set statement_timeout = '60s';

do $$
begin
  if not ops_private.is_adopted('ops.run_events') then
    alter table ops.run_events validate constraint run_events_type_check;
  end if;
end
$$;
