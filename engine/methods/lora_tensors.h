// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter's tensor file by what its keys say: pairs of A and B, and tensors that stand for a
// whole weight.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/safetensors.h"
#include "engine/models/vlm.h"

namespace luthier {

struct LoraTensors {
  struct Pair {
    std::string
        stored;  ///< the module's name as the file has it: what its patterns were written for
    std::optional<TensorView> a, b;
  };
  struct Whole {
    std::string key;   ///< in the file
    std::string name;  ///< the tensor's, in memory
    TensorView view;
    bool beside_pair =
        false;  ///< PEFT writes the whole weight beside the pair of a token embedding or head
  };
  std::map<std::string, Pair> pairs;  ///< by the module's name in memory
  std::vector<Whole> whole;
};

/// The views are of `file`, which must stay. Input errors: what holds no numbers, or two tensors
/// for one place.
Result<LoraTensors> sort_lora_tensors(const SafetensorsFile& file, const Family& family);

}  // namespace luthier
