"""What a partner's cert-exchange asks of ours beside TAXII: `/exchange/v1/…`."""
