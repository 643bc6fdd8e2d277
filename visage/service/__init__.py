"""What runs for months: cameras, watched folders, the ledger of files, events."""
