"""Rules that hold for every object: names, labels, metadata, quantities, Status, Tables. Used by all layers."""
