"""A simulated arm of three joints that follows trajectories: an action and a topic of a ROS 2 node.

Run it with ``python -m harness.sim.arm``; ``docs/arm.md`` says what is modelled.
It stands for a robot on the other end of a cable: a process of its own, never imported by the harness.
"""
