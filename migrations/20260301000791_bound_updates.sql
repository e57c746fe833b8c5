-- What a merge destroys in a cluster without deleting the object is bound to its review, too (decision 176): whose a mirrored
-- document is, and which commit its Source is bringing.

set lock_timeout = '5s'; set statement_timeout = '60s';

alter table ops.declared add column owner text;
comment on column ops.declared.owner is 'The Source that applied this version into the cluster; null: somebody else did, or the source itself declares it.';

alter table ops.source_states add column intended text;
comment on column ops.source_states.intended is 'The commit that was last about to be applied into the cluster, noted before anything of it is; it is that one which reviews bind.';
