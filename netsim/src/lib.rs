//! netsim: proves transparent proxying with packets.
