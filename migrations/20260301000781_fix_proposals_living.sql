-- Proposals that are not over are looked for in each pass of FixBot, and in each plan: there are few of them, and many others.

set lock_timeout = '5s';
set statement_timeout = '60s';

create index if not exists fix_proposals_living on ops.fix_proposals (source, rule)
where state in ('open', 'handed_over', 'snoozed');
