"""Robots simulated in Gazebo, through Gazebo's own transport."""
