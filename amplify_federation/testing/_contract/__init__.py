"""The promises of `SessionStore`, in two parts: records and leases."""
