"""What a redaction leaves uncovered, what it covers in vain, and how fast it is rendered."""
