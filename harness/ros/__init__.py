"""The harness as a ROS 2 node: status and latencies as topics, services that start, stop and abort a run.

Only :mod:`harness.ros.node` and :mod:`harness.ros.messages` need ROS 2. The run is a process of its own; the
node reads its folder.
"""
