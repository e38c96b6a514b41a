"""The database: what a run decided and delivered, one row each, on SQLite, PostgreSQL or in Parquet files.

tables       names and columns
schema       the version of these, and which a database has; `migrations` lead from one to the next
rows         the core's structs <-> rows; prices become $/kWh here and come back exact
address      database URLs
outages      what the drivers raise -> `StorageError`, in one sentence
bulk         many rows in one transaction, such that repeating them changes nothing
database     `Database`: opened, checked, runs started and finished
parquet      `ParquetDatabase`: the same over a folder of files; `parquet_columns` rows <-> columns,
             `parquet_buffers` rows that wait for their day's end, `parquet_parts` the files
collecting   events -> rows
writer       `Writer`: inserts them in the background of a simulation, which waits if it must
live_writer  `LiveWriter`: the same for a market on the wall clock, which never waits
backlog      rows on disk that wait for the database
reader       rows -> the core's structs
streams      likewise, slot by slot
ledger       sums and audits by SQL, in whole units
daily        sums of what is recorded by participant and day
"""
