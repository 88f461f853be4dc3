"""ROS 2: commands and answers as topics of any installed message type.

Importing this package, or :mod:`harness.adapters.ros2.options`, needs no ROS; opening a device does.
"""
