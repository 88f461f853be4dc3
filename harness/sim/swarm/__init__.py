"""A reference swarm: robots that elect a leader, hold formation slots and reorganise when the leader is lost.

Run it with ``python -m harness.sim.swarm --robots 5``; ``docs/sim-swarm.md`` says what is modelled and which
published algorithms it follows. ``python -m harness.sim.swarm.model`` runs the same election in a
discrete-event simulation. Both stand for robots at the other end of a cable: never imported by the harness.
"""
