-- squawk-ignore-file require-lock-timeout, require-statement-timeout
-- Probes of models, by what was asked: retention looks for those that are over (decision 195).
create index concurrently if not exists runs_probes on ops.runs (project_id, namespace, name, queued_at)
where operation = 'answer' and document ->> 'verb' = 'probe';
