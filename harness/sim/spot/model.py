"""The robot for MuJoCo, of primitive shapes: the only place where sizes of ``dimensions`` become shapes."""

from __future__ import annotations

from harness.sim.spot.dimensions import (
    BODY_HEIGHT_M,
    BODY_KG,
    BODY_LENGTH_M,
    BODY_WIDTH_M,
    FOOT_RADIUS_M,
    GRAVITY_MPS2,
    HIP_KG,
    HIP_OFFSET_M,
    HIPS,
    JOINT_LOWER_RAD,
    JOINT_UPPER_RAD,
    JOINTS,
    LEGS,
    LOWER_LEG_KG,
    LOWER_LEG_M,
    SIDES,
    SKID_BELOW_M,
    SKID_RADIUS_M,
    TORQUE_NM,
    UPPER_LEG_KG,
    UPPER_LEG_M,
)

# The assist pushes at the middle of the body: along x and y, about z, and about x and y against a tilt.
ASSISTS = ("push.x", "push.y", "turn.z", "turn.x", "turn.y")
_GEARS = ("1 0 0 0 0 0", "0 1 0 0 0 0", "0 0 0 0 0 1", "0 0 0 1 0 0", "0 0 0 0 1 0")
ASSIST_LIMITS = (400.0, 400.0, 200.0, 150.0, 150.0)  # N, N, Nm, Nm, Nm


def _leg(name: str, hip: tuple[float, float], side: float) -> str:
    def joint(which: int, part: str, axis: str) -> str:
        span = f"{JOINT_LOWER_RAD[which]} {JOINT_UPPER_RAD[which]}"
        return f'<joint name="{name}.{part}" axis="{axis}" range="{span}"/>'

    return f"""
    <body name="{name}.hip" pos="{hip[0]} {hip[1]} 0">
      {joint(0, "hx", "1 0 0")}
      <geom class="inside" type="sphere" size="0.05" pos="0 {side * 0.03} 0" mass="{HIP_KG}"/>
      <body name="{name}.upper" pos="0 {side * HIP_OFFSET_M} 0">
        {joint(1, "hy", "0 1 0")}
        <geom type="capsule" size="0.035" fromto="0 0 0 0 0 {-UPPER_LEG_M + 0.03}" mass="{UPPER_LEG_KG}"/>
        <body name="{name}.lower" pos="0 0 {-UPPER_LEG_M}">
          {joint(2, "kn", "0 1 0")}
          <geom type="capsule" size="0.018" fromto="0 0 0 0 0 {-LOWER_LEG_M + 0.03}" mass="{
        LOWER_LEG_KG - 0.1
    }"/> <geom name="{name}.foot" type="sphere" size="{FOOT_RADIUS_M}" pos="0 0 {-LOWER_LEG_M}"
          mass="0.1"/> <site name="{name}.foot" size="{FOOT_RADIUS_M + 0.01}" pos="0 0 {-LOWER_LEG_M}"/>
        </body>
      </body>
    </body>"""


def xml() -> str:
    """The model as MJCF. Only the floor is touched: the robot's parts pass through each other."""
    legs = "".join(_leg(*leg) for leg in zip(LEGS, HIPS, SIDES, strict=True))
    half = f"{BODY_LENGTH_M / 2} {BODY_WIDTH_M / 2} {BODY_HEIGHT_M / 2}"
    skid = -SKID_BELOW_M + SKID_RADIUS_M
    skids = "".join(
        f'<geom type="capsule" size="{SKID_RADIUS_M}" fromto="-0.3 {y} {skid} 0.3 {y} {skid}" mass="0.2"/>'
        for y in (0.09, -0.09)
    )
    motors = "".join(
        f'<general joint="{joint}" forcerange="{-TORQUE_NM[number % 3]} {TORQUE_NM[number % 3]}"/>'
        for number, joint in enumerate(JOINTS)
    )
    assists = "".join(
        f'<general site="middle" name="{name}" gear="{gear}" forcerange="{-limit} {limit}"/>'
        for name, gear, limit in zip(ASSISTS, _GEARS, ASSIST_LIMITS, strict=True)
    )
    touches = "".join(f'<touch site="{leg}.foot"/>' for leg in LEGS)
    return f"""
<mujoco model="spot_like">
  <compiler angle="radian"/>
  <option integrator="implicitfast" gravity="0 0 {-GRAVITY_MPS2}"/>
  <default>
    <geom solref="0.01 1" friction="0.8 0 0" contype="1" conaffinity="0"/>
    <joint type="hinge" armature="0.03" damping="0.5"/>
    <general gaintype="fixed" biastype="affine" gainprm="1" biasprm="0 0 0"/>
    <default class="inside"><geom contype="0"/></default>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 0.05" contype="0" conaffinity="1"/>
    <body name="body" pos="0 0 {SKID_BELOW_M}">
      <freejoint name="body"/>
      <site name="middle"/>
      <geom type="box" size="{half}" mass="{BODY_KG - 0.4}"/>{skids}{legs}
    </body>
  </worldbody>
  <actuator>{motors}{assists}</actuator>
  <sensor>{touches}</sensor>
</mujoco>"""
