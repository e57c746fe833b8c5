"""One spec model for each kind, one file each. Import them through `registry.KINDS[kind].spec_model`."""
