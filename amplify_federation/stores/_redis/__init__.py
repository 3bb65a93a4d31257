"""Redis: the link to it, the names of records in it, records, leases."""
