"""A simulated differential-drive robot: MuJoCo physics in step with the wall clock, behind a ROS 2 node.

Run it with ``python -m harness.sim.diff_drive``; ``docs/sim-diff-drive.md`` says what is modelled.
It stands for a robot on the other end of a cable: a process of its own, never imported by the harness.
"""
