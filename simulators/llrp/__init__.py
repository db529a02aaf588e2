"""A simulated LLRP reader: protocol and radio without I/O in the core, a socket around it."""
