-- The order to look at a Source now: `wbx sync`. All other verbs are as they were.

set lock_timeout = '5s';
set statement_timeout = '60s';

-- The same guarantee with one word more: no client can miss it.
-- squawk-ignore ban-drop-constraint
alter table ops.interventions drop constraint interventions_verb_check, add constraint interventions_verb_check check (
  verb in ('suspend', 'resume', 'confirm', 'cancel', 'snooze', 'adopt', 'forget', 'start', 'stop', 'extend', 'snapshot', 'rerun',
           'backfill', 'sync')) not valid;

create or replace function ops_private.least_role(verb text) returns text
language sql immutable set search_path = '' as $$
  select case
    when verb in ('suspend', 'resume', 'cancel', 'snooze', 'start', 'stop', 'extend', 'snapshot', 'rerun', 'backfill', 'sync')
      then 'editor'
    when verb in ('confirm', 'adopt', 'forget') then 'admin'
  end
$$;

create or replace function ops_private.kinds_of_verb(verb text) returns text[]
language sql immutable set search_path = '' as $$
  select case
    when verb in ('start', 'stop') then array['Session', 'AppDeployment', 'ModelDeployment']
    when verb in ('extend', 'snapshot') then array['Session']
    when verb = 'backfill' then array['RunnerJob']
    when verb = 'sync' then array['Source']
    when verb = 'rerun'
      then array['RunnerJob', 'Experiment', 'ExperimentRun', 'Session', 'AppDeployment', 'ModelDeployment']
  end
$$;
