"""A simulated LLRP reader on a TCP port: the shell around `llrp_session`, which knows the protocol.

The shell owns what is real here: sockets, the keepalive timer, and the loop that asks the world for sightings in slices
of the clock's time while an ROSpec is active.
"""
