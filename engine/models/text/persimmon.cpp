// SPDX-License-Identifier: GPL-3.0-or-later
// Persimmon's decoder (Adept 2023) as PersimmonForCausalLM of transformers 5.17, and half of Fuyu.
#include "engine/models/families.h"
#include "engine/models/text/text_model.h"

namespace luthier {

const Family persimmon_family = text_family("persimmon");

}  // namespace luthier
