"""Tables in time to windows: columns, gaps, seasons, and the answers that lie ahead."""
