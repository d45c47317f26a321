// SPDX-License-Identifier: GPL-3.0-or-later
// The kinds of packed weights, by name: NAME_weight_kind (io/weight_kinds/NAME.cpp) and
// NAME_weight_packing (nn/weights/NAME.cpp) are the two halves of each.
#pragma once

/// One row a kind.
#define LUTHIER_WEIGHT_KINDS(ROW) ROW(nf4) ROW(fp4) ROW(int8) ROW(gptq) ROW(awq)
