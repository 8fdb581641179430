//! tproxy: transparent proxying on Linux.
