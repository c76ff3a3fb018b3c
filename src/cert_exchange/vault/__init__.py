"""What keeps secrets unreadable on a disk: locks, sealed files and sealed streams.

The one place that reads and writes files of the node's secrets directory. It knows neither the database nor partners.
"""

from cert_exchange.vault.files import LOCK_FILE, SecretFiles
from cert_exchange.vault.locks import Lock, make_lock, new_key, open_lock
from cert_exchange.vault.sealing import SealingWriter, UnsealingReader, seal, unseal

__all__ = [
    "LOCK_FILE",
    "Lock",
    "SealingWriter",
    "SecretFiles",
    "UnsealingReader",
    "make_lock",
    "new_key",
    "open_lock",
    "seal",
    "unseal",
]
