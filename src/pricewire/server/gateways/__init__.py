"""Gateways: processes that hold streams alone, and ask the process that has the market and trading for everything else."""
