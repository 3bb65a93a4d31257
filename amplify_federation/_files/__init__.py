"""Files, folders and locks that no other user can tamper with."""
