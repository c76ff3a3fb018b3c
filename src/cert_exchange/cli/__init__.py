"""What a person at a CERT types: thin commands over the services."""
