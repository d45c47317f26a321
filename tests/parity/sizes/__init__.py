# SPDX-License-Identifier: GPL-3.0-or-later
"""Published sizes, family by family, for the pages in docs/families/ (pages.py). A size is here
where something that can be looked up holds its numbers (size.py says what); what is recalled and
no more is left out. pages.py refuses a size whose own count of parameters is another."""
from sizes.bridges import SIZES as BRIDGES
from sizes.gemma import SIZES as GEMMA
from sizes.llava import SIZES as LLAVA
from sizes.qwen import SIZES as QWEN
from sizes.text import SIZES as TEXT
from sizes.tiled import SIZES as TILED
from sizes.towers import SIZES as TOWERS

SIZES = TEXT | BRIDGES | QWEN | GEMMA | LLAVA | TILED | TOWERS
