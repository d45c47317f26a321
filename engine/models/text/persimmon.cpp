// SPDX-License-Identifier: GPL-3.0-or-later
// Persimmon's decoder (Adept 2023) as PersimmonForCausalLM of transformers 5.17, and half of Fuyu.
#include "engine/models/family.h"
#include "engine/models/text/text_model.h"

namespace luthier {

extern const Family persimmon_family;
const Family persimmon_family = text_family("persimmon");

}  // namespace luthier
