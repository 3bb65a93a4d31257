"""One session: its record, its federation, its renewal, its end.

Everything is logged by the one logger `amplify_federation`, in this package and below it. Each line
carries an `event` in its `extra`, and further fields; none carries a secret, a token, an identity
id or the message of an error:

    event                 fields                                        level    logged by
    federated             session, state                                INFO     session
    credentials_renewed   session, state                                INFO     session
    session_expired       session, state                                INFO     session
    federation_cleared    session, state                                INFO     session
    renewal               session, outcome, early, seconds              INFO, WARNING if it failed
                                                                                 renewal
    retry                 operation, error, attempt, delay              INFO
                                                                                 _http/calls
    lock_waited           lock, seconds                                 INFO     _files/lock
    session_set_aside     set_aside_as                                  WARNING  stores/sealed
    corrupt, rolled_back  (none)                                        WARNING  repository
    store_unavailable     (none)                                        WARNING  users
    background_failed     error                                         ERROR    _async

`session` is the pool's id and the session's name; `outcome` is renewed, not_needed (another one
did it, or it was cleared), gave_way (to another process), or the class of the error.

A process that restarts with a stored session only reads it. What it does not need is imported at
first use: federation, renewal, clearing and user pools, with the state machine, the calls and the
claims below them, take 14 ms, and a restart 100. Such an import says `see _session`.
"""
