"""One module a schema version; none is ever changed after its release."""
