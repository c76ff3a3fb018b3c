"""cert-exchange: two national CERTs exchange cyber-threat indicators over STIX 2.1 and TAXII 2.1."""
