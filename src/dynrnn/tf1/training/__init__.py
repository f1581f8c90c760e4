"""Sessions that look after themselves: supervisors, monitored sessions and their hooks."""
