"""Guests: other kernels and userlands, booted in QEMU, with tproxy's tests run in them. `ci/kernels` is the way in."""
