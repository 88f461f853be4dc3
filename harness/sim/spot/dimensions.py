"""What the simulated Spot measures and what its motors can do: metres, kilograms, radians, newton metres,
seconds.

Frame of the body: x forward, y left, z up, origin in its middle, at the height of the hips. Legs are in the
order fl, fr, hl, hr (front left to hind right), joints of a leg in the order hx (abduction), hy (hip pitch),
kn (knee). Sizes are roughly those of the product as published; no number here is the vendor's.
"""

from __future__ import annotations

LEGS = ("fl", "fr", "hl", "hr")
JOINTS = tuple(f"{leg}.{joint}" for leg in LEGS for joint in ("hx", "hy", "kn"))

BODY_LENGTH_M = 0.85
BODY_WIDTH_M = 0.24
BODY_HEIGHT_M = 0.19
HIP_X_M = 0.30
HIP_Y_M = 0.055
HIP_OFFSET_M = 0.11  # from the axis of abduction sideways to the leg
UPPER_LEG_M = 0.32
LOWER_LEG_M = 0.34
FOOT_RADIUS_M = 0.02
SKID_BELOW_M = 0.145  # what the robot sits on: its lowest point below the hips
SKID_RADIUS_M = 0.03

BODY_KG = 18.4
HIP_KG = 1.2
UPPER_LEG_KG = 1.6
LOWER_LEG_KG = 0.6
MASS_KG = BODY_KG + 4 * (HIP_KG + UPPER_LEG_KG + LOWER_LEG_KG)

# Of one leg; all legs are alike, for a leg's joints turn about the same axes on both sides.
JOINT_LOWER_RAD = (-0.785, -0.90, -2.793)
JOINT_UPPER_RAD = (0.785, 2.295, -0.247)
TORQUE_NM = (45.0, 45.0, 110.0)

HIPS: tuple[tuple[float, float], ...] = (
    (HIP_X_M, HIP_Y_M),
    (HIP_X_M, -HIP_Y_M),
    (-HIP_X_M, HIP_Y_M),
    (-HIP_X_M, -HIP_Y_M),
)
SIDES = (1.0, -1.0, 1.0, -1.0)  # of a leg: left is positive
# Where a foot stands when the robot stands straight: below its leg.
FOOTHOLDS: tuple[tuple[float, float], ...] = tuple(
    (x, y + side * HIP_OFFSET_M) for (x, y), side in zip(HIPS, SIDES, strict=True)
)

STAND_M = 0.52  # the origin of the body above the floor
SIT_M = SKID_BELOW_M
GRAVITY_MPS2 = 9.81
