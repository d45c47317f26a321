# SPDX-License-Identifier: GPL-3.0-or-later
"""The families that the suite knows, in the order of their cases."""
from families.llava import Llava
from families.qwen2_vl import Qwen2VL

FAMILIES = [Llava(), Qwen2VL()]
