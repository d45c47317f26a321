// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter that took its start out of the base's weights (PiSSA, OLoRA) as a plain LoRA of twice
// the rank: B·A − B₀·A₀ = [B, −B₀]·[A; A₀]. Whatever loads it changes no weight of the base.
#pragma once

#include <filesystem>
#include <functional>

#include "engine/base/result.h"

namespace luthier {

/// `model`: the checkpoint that it was trained on, whose weights say what was taken out.
Status convert_to_plain_lora(const std::filesystem::path& model,
                             const std::filesystem::path& adapter, const std::filesystem::path& out,
                             const std::function<bool(double)>& go_on = {});

}  // namespace luthier
