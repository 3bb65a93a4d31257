"""Files, folders and locks that nobody else can slip something into."""
