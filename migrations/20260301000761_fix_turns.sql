-- Which worker is FixBot for a source now, and when it is to look again.

set lock_timeout = '5s';
set statement_timeout = '60s';

create table if not exists ops.fix_turns (
  source text primary key,
  holder text not null default '',
  lease_until timestamptz not null default '-infinity',
  due_at timestamptz not null default '-infinity'
);
comment on table ops.fix_turns is 'FixBot: one row a source, held with a lease by one worker at a time.';
comment on column ops.fix_turns.source is 'The source whose pull requests are looked after.';
comment on column ops.fix_turns.holder is 'The worker that does it now, or did last.';
comment on column ops.fix_turns.lease_until is 'Until when nobody else may take it up.';
comment on column ops.fix_turns.due_at is 'When it is to be looked after next.';
alter table ops.fix_turns enable row level security;
revoke all on ops.fix_turns from public, anon, authenticated, service_role;
grant select, insert, update on ops.fix_turns to service_role;
create policy fix_turns_nobody on ops.fix_turns for select to authenticated using (false);
