"""Portcullis beside its peers: prepare, start, load, measure, report."""
