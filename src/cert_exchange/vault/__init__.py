"""What keeps secrets unreadable on a disk: locks, sealed files and sealed streams.

The one place that reads and writes files of the node's secrets directory. It knows neither the database nor partners.
`files` is read at every start; `locks` and `sealing`, with the cryptography under them, only where something is sealed.
"""
