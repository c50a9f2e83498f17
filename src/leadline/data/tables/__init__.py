"""Tables: files and data frames → Frame (read, nothing decided) → Table (what every column means, learned in training)."""
