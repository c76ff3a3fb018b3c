"""What is signed or chained, pure."""
