"""What a partner's machine sees: TAXII 2.1 over the services."""
