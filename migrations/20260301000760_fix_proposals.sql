-- What FixBot must remember of a pull request to go on after a crash: its source, rule and number, and the commit that it pushed.

set lock_timeout = '5s';
set statement_timeout = '60s';

alter table ops.fix_proposals add column if not exists source text not null default '';
alter table ops.fix_proposals add column if not exists rule text not null default '';
alter table ops.fix_proposals add column if not exists attempt integer not null default 1;
alter table ops.fix_proposals add column if not exists number bigint;
alter table ops.fix_proposals add column if not exists head text;
comment on column ops.fix_proposals.source is 'The source whose files it changes.';
comment on column ops.fix_proposals.rule is 'The rule that found it.';
comment on column ops.fix_proposals.attempt is 'Which proposal of this cause it is; each has a branch of its own.';
comment on column ops.fix_proposals.number is 'Number of the pull request; null: not opened yet.';
comment on column ops.fix_proposals.head is 'The commit that was pushed last; another one at the branch is a person''s.';
