"""HTTP: the one application that a node serves, and the process that serves it.

1. Here alone an error becomes an answer (`errors.py`): fixed words and an `error_id`; the detail is in the log under it.
2. What is not under a TAXII root is `/health/live`, `/health/ready` or nothing.
"""

from cert_exchange.http.application import Application, make_app
from cert_exchange.http.serving import serve

__all__ = ["Application", "make_app", "serve"]
