-- A run that its caller may not see is answered like one that is not there, in the reason too: 000420 told them apart.

create or replace function ops_private.run_to_order(verb text, wanted text) returns ops.runs
language plpgsql set search_path = '' as $$
declare
  found_run ops.runs;
begin
  select r.* into found_run from ops.runs r
  where r.run_id = wanted::uuid
    and (r.project_id = any (array(select ops_private.my_projects()))
         or (r.project_id is null and (select ops_private.is_member())));
  if not found then
    perform ops_private.refuse('PT404', 'RunNotFound', format('run "%s" is not known', wanted));
  end if;
  perform ops_private.demand(verb, found_run.project_id, format('run "%s"', wanted));
  return found_run;
end
$$;
