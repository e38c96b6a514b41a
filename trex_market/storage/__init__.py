"""The database: what a run decided and delivered, one row each, on SQLite or PostgreSQL.

tables     names and columns
rows       the core's structs <-> rows; prices become $/kWh here and come back exact
address    database URLs
outages    what the drivers raise -> `StorageError`, in one sentence
bulk       many rows in one transaction, such that repeating them changes nothing
database   `Database`: opened, checked, runs started and finished
writer     `Writer`: events -> rows, in the background; no row is lost while the database is away
reader     rows -> the core's structs
ledger     sums and audits by SQL, in whole units
"""
