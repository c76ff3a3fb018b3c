"""Who may see what, pure."""
