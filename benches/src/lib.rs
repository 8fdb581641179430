//! Benchmarks of tproxy and netsim.
