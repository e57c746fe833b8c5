-- name: become
-- Who asks, for this transaction alone; read only cannot be taken back once something was read.
select set_config('role', %(role)s, true), set_config('request.jwt.claims', %(claims)s, true),
  set_config('transaction_read_only', %(read_only)s, true);
