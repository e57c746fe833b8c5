-- ops.experiments and ops.experiment_runs: a question, and one row for each cell of its matrix.

create table ops.experiments (
  like ops_private.resource including defaults including constraints including comments,
  runtime text generated always as (spec ->> 'runtime') stored,
  metric_name text generated always as (spec #>> '{metric,name}') stored,
  metric_goal text generated always as (spec #>> '{metric,goal}') stored
);
comment on table ops.experiments is 'Experiments: a question, a metric and a matrix of parameters.';
comment on column ops.experiments.runtime is 'The Runtime that its runs use.';
comment on column ops.experiments.metric_name is 'The metric that decides which run is best.';
comment on column ops.experiments.metric_goal is 'minimize or maximize.';
create unique index experiments_living_name on ops.experiments (namespace, name) where deleted_at is null;
select ops_private.make_resource_table('ops.experiments', 'Experiment');

create table ops.experiment_runs (
  like ops_private.resource including defaults including constraints including comments,
  experiment_id uuid references ops.experiments (id),
  experiment text generated always as (spec ->> 'experiment') stored,
  parameters jsonb,
  metrics jsonb not null default '{}'
);
comment on table ops.experiment_runs is 'One parameter set of an experiment: a cell of its matrix, or declared by hand.';
comment on column ops.experiment_runs.experiment_id is 'The experiment that the cell belongs to; null: declared by hand.';
comment on column ops.experiment_runs.experiment is 'Name of the experiment.';
comment on column ops.experiment_runs.parameters is 'The cell: parameters and seed.';
comment on column ops.experiment_runs.metrics is 'What its latest succeeded run measured.';
create unique index experiment_runs_living_name on ops.experiment_runs (namespace, name) where deleted_at is null;
create index experiment_runs_experiment on ops.experiment_runs (experiment_id);
select ops_private.make_resource_table('ops.experiment_runs', 'ExperimentRun');
