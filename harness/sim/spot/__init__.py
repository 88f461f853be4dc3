"""A simulated Spot: the vendor's services over TLS on loopback, a clock of its own, a walking body.

A fake of the robot, not of the SDK: the unmodified SDK is its client. What it does on each command follows
the vendor's published rules; times that the vendor does not publish are options, and said to be ours.
"""
