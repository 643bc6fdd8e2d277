"""What becomes of damaged media."""
