"""Bags: what was injected and received, as MCAP with the schemas of ROS 2; and recorded stimuli again.

While a run measures, messages go as bytes into spools (:mod:`.spool`, opened by :mod:`.recording`); they
become a bag afterwards (:mod:`.convert`). Nothing here needs ROS.
"""
