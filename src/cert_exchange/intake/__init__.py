"""Other people's formats to STIX 2.1: tables, lists, reports, MISP events. Pure: no I/O, no clock, no store."""
