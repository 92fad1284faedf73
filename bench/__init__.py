"""Benchmarks: Pricewire beside its peers and beside what the kernel allows, in the same run on the same machine."""
