"""Rig drivers: devices that are bench electronics, each in a module or folder of its own."""
