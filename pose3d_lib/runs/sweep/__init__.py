"""Many runs at a time: here in kernels, or on a cluster."""
