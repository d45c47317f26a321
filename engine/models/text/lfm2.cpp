// SPDX-License-Identifier: GPL-3.0-or-later
// LFM2 (Liquid AI 2025) as Lfm2ForCausalLM of transformers 5.17.
#include "engine/models/family.h"
#include "engine/models/gated_convolution.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family lfm2_family;
const Family lfm2_family = [] {
  Family family = text_family("lfm2");
  family.untie = untie_lfm2;
  return family;
}();

}  // namespace luthier
