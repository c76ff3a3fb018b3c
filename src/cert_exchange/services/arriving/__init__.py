"""What became of a partner's object on its way to us: seen when, decided how, by which rule (CASES U05).

1. It tells also of what never arrived: refused, held, filtered by a source, erased here, or not in what the partner's
   server shows to us. Nothing here decides again: it reads what was decided.
2. A partner's server is asked only where a person wants it, over the sources that were set up, and nothing that it
   answers is stored.
3. For this node's own people. It names what other partners brought under the same id by their names only.
"""

from __future__ import annotations

from cert_exchange.services.arriving.answering import Arrival, explain
from cert_exchange.services.arriving.knowing import Step

__all__ = ["Arrival", "Step", "explain"]
