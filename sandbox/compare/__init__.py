"""The comparison: the same probes to every exhibit, over real sockets, in one matrix."""
