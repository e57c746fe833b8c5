-- The planner holds a version while FixBot proposes to go back from it (decision 189): it hears at once when that begins and ends.

set lock_timeout = '5s';
set statement_timeout = '60s';

create or replace function ops_private.notify_proposal_changed() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select id, state, number, document -> 'findings' from changed where rule = 'roll-back'
             except select id, state, number, document -> 'findings' from before) then
    perform pg_notify('ops_changed', '');
  end if;
  return null;
end
$$;
comment on function ops_private.notify_proposal_changed() is 'Trigger: a pull request that holds a version is there, says something else, or is over; others wake nobody.';
revoke all on function ops_private.notify_proposal_changed() from public, anon, authenticated, service_role;

create or replace trigger fix_proposals_updated after update on ops.fix_proposals
referencing old table as before new table as changed for each statement execute function ops_private.notify_proposal_changed();
