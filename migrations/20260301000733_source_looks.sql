-- When a look at a Source began: who asks while a worker looks is heard, too.

set lock_timeout = '5s';
set statement_timeout = '60s';

alter table ops.source_states add column held_at timestamptz;
comment on column ops.source_states.held_at is 'When the look began that is under way, or the last one.';
comment on column ops.source_states.polled_at is 'When the last look began that came to an end: what was pushed before it was seen.';
