"""What is kept on disk: run files, the database, settings, git, caches of this machine."""
