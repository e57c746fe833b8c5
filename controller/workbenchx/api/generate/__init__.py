"""Files generated from the kinds: CRDs, JSON Schemas, published vocabularies. Only `emit` and tests import this."""
