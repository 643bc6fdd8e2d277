"""Files that survive a crash whole: atomic writes, locks between processes, SQLite transactions."""
