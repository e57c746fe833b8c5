-- Money that was given back is history that runs and usage tell, too: after a while it goes.
set lock_timeout = '5s';
set statement_timeout = '60s';

grant delete on ops.reservations to service_role;
