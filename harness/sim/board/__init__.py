"""The bench board in simulation: the firmware's own ELF in simavr, behind a pseudo-terminal, in real time.

``python -m harness.sim.board`` builds what is missing and becomes the simulator, a program in C in
``firmware/sim``; see ``docs/bench-board.md``.
"""
