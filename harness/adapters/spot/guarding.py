"""How the guardian stops a Spot whose harness is gone: with a sub-lease of the lease that this run holds.

It takes the robot from nobody: where somebody else has the lease by now, or nobody, this run no longer
commands the robot, and what it commanded ended by itself (``end_ms``).
"""

from __future__ import annotations

from harness.adapters.spot.session import CALL_S, Session, client_name_prefix, relogin
from harness.adapters.spot.translate import sdk, translated

BODY = "body"


def stop(session: Session, run_id: str) -> bool:
    """Stop the robot if the run's lease still holds; whether there was anything to stop.

    Raises what :func:`.translate.of` makes of the SDK's errors.
    """
    with translated(session.name, "stop by the guardian"):
        return bool(relogin(session, lambda: _stop(session, run_id)))


def _stop(session: Session, run_id: str) -> bool:
    leases = session.client("lease", "LeaseClient")
    for resource in leases.list_leases(include_full_lease_info=True, timeout=CALL_S):
        if resource.resource != BODY or not resource.lease_owner.client_name.startswith(
            client_name_prefix(run_id)
        ):
            continue
        lease = sdk("bosdyn.client.lease").Lease(resource.lease).create_sublease(session.client_name)
        robot_command = sdk("bosdyn.client.robot_command")
        command = session.client("robot_command", "RobotCommandClient")
        try:
            command.robot_command(
                robot_command.RobotCommandBuilder.stop_command(), lease=lease.lease_proto, timeout=CALL_S
            )
        except robot_command.NotPoweredOnError:
            return False
        return True
    return False
