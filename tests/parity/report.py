# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cases share: comparing tensors, and one line a case."""
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch

LOGITS = 2e-5      # of the largest: what logits that should be equal may differ by


def processor_flags():
    """What Linux says that this processor has; nothing where it says none."""
    found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return set(found[1].split()) if found else set()


def has_wide_registers():
    """Whether sums of this processor are AVX-512's; another's chains of them are twice as long."""
    return "avx512f" in processor_flags()


# What a curve's figures may differ by, and, of the largest, trained tensors. On processors with AVX2
# alone ten steps of Adam blow up by how much two orders of sums differ: 3.1e-4 and, where a gradient
# is hardly more than rounding, 6.5e-3 were met there.
CURVE, WEIGHTS = (3e-4, 2e-3) if has_wide_registers() else (6e-4, 8e-3)


def of(case, family, *columns):
    """Says which family a case is about and which columns of the table it counts for."""
    case.family, case.columns, case.pictures = family.model_type, columns, family.pictures
    return case


@dataclass
class Case:
    """Gathers what one case found. `worst` keeps the largest error of each kind, for the line;
    `facts` what else is worth telling."""
    name: str
    family: str = ""
    column: str = ""
    problems: list = field(default_factory=list)
    worst: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)

    def expect(self, holds, message):
        if not holds:
            self.problems.append(message)
        return bool(holds)

    def same(self, what, got, wanted):
        """Integers or texts, equal."""
        if got == wanted:
            return True
        detail = f"got {str(got)[:160]}, wanted {str(wanted)[:160]}"
        if isinstance(got, list) and isinstance(wanted, list):
            at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b),
                      min(len(got), len(wanted)))
            detail = f"lengths {len(got)}/{len(wanted)}, first difference at {at}: got {got[at:at + 8]}, wanted {wanted[at:at + 8]}"
        self.problems.append(f"{what}: {detail}")
        return False

    def close(self, what, got, wanted, tolerance, kind=None, floor=0.0):
        """Tensors, the largest difference held against the largest value wanted, or against `floor`
        where that is more (for values that are
        zero but for rounding)."""
        if not isinstance(got, torch.Tensor):
            self.problems.append(f"{what}: missing")
            return False
        if tuple(got.shape) != tuple(wanted.shape):
            self.problems.append(f"{what}: shape {tuple(got.shape)} instead of {tuple(wanted.shape)}")
            return False
        if wanted.numel() == 0:
            return True
        got, wanted = got.double(), wanted.double()
        scale = max(wanted.abs().max().item(), floor)
        error = (got - wanted).abs().max().item() / (scale if scale > 0 else 1.0)
        self.worst[kind or what] = max(self.worst.get(kind or what, 0.0), error)
        if not error <= tolerance:
            at = int((got - wanted).abs().argmax())
            self.problems.append(f"{what}: off by {error:.2e} of the largest ({tolerance:.0e} allowed), at flat index {at}: "
                                 f"{got.flatten()[at].item():.8g} instead of {wanted.flatten()[at].item():.8g}")
            return False
        return True

    def near(self, what, got, wanted, tolerance, kind=None, floor=1e-12):
        """Numbers, relative."""
        error = abs(got - wanted) / max(abs(wanted), floor)
        self.worst[kind or what] = max(self.worst.get(kind or what, 0.0), error)
        return self.expect(error <= tolerance,
                           f"{what}: {got!r} instead of {wanted!r} (off by {error:.2e}, {tolerance:.0e} allowed)")

    def line(self):
        errors = ", ".join([f"{kind} {error:.1e}"
                            for kind, error in self.worst.items()] + [
                                f"{key} {value}" for key, value in self.facts.items()])
        if self.problems:
            shown = "\n     ".join(self.problems[:6]) + (
                f"\n     and {len(self.problems) - 6} more" if len(self.problems) > 6 else "")
            return f"FAIL {self.name}\n     {shown}"
        return f"ok   {self.name}" + (f" ({errors})" if errors else "")
