"""From the command line to the node."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import ConfigurationError, UnavailableError

ROS_ARGUMENTS = "--ros-args"


def ros_arguments(arguments: Sequence[str]) -> list[str]:
    """``[RIG] [--ros-args ...]`` as arguments of ROS 2; RIG is its parameter ``rig``.

    Raises ConfigurationError for anything else before ``--ros-args``.
    """
    words = list(arguments)
    cut = words.index(ROS_ARGUMENTS) if ROS_ARGUMENTS in words else len(words)
    own, rest = words[:cut], words[cut:]
    if own and own[0] == "--":
        own = own[1:]
    if len(own) > 1 or any(word.startswith("-") for word in own):
        wrong = next((word for word in own if word.startswith("-")), own[-1])
        raise ConfigurationError(
            f"harness node: {wrong!r} is not understood",
            hint="options of a run are parameters: harness node RIG --ros-args -p samples:=500",
        )
    if not own:
        return rest
    # Before the others, of which the last one counts; quoted, as a rig may be called 2024 or true.
    quoted = own[0].replace("\\", "\\\\").replace('"', '\\"')
    return [ROS_ARGUMENTS, "-p", f'rig:="{quoted}"', "--", *rest]


def start_node(arguments: Sequence[str]) -> int:
    """Be the node. Raises UnavailableError without ROS 2, ConfigurationError for wrong parameters."""
    given = ros_arguments(arguments)
    try:
        from harness.ros.node import spin
    except ImportError as error:
        raise UnavailableError(
            f"the node needs ROS 2, of which something does not import: {error}",
            hint="pip install 'hil-latency-harness[ros]', or source your ROS 2 first",
        ) from error
    return spin(given)
