"""People, audit log and failure counts in one SQLite file; templates sealed with AES-256-GCM.

`appliance.store.store.Store` opens all of it; `appliance.store.location.locate` says where.
"""
