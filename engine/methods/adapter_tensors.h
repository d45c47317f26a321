// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter's tensor file by what its keys say: the tensors of a method's plugs, by their modules,
// and those that stand for a whole weight of the base.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/safetensors.h"
#include "engine/models/loaded_model.h"

namespace luthier {

/// What stands before a module's name in the files of PEFT.
inline constexpr std::string_view kPeftPrefix = "base_model.model.";

struct AdapterTensors {
  struct OfModule {
    std::string stored;  ///< the module's name as the file has it: what its patterns were written
                         ///< for
    std::map<std::string, TensorView> views;  ///< by their suffixes

    std::int64_t elements() const;
  };
  struct Whole {
    std::string key;   ///< in the file
    std::string name;  ///< the tensor's, in memory
    TensorView view;
    bool beside_plug =
        false;  ///< PEFT writes the whole weight beside the plug of a token embedding or head
  };
  std::map<std::string, OfModule> modules;  ///< by the module's name in memory
  std::vector<Whole> whole;
};

/// The views are of `file`, which must stay. Input errors: what holds no numbers, or two tensors
/// for one place.
Result<AdapterTensors> sort_adapter_tensors(const SafetensorsFile& file, const Family& family,
                                            const std::vector<std::string>& suffixes);

/// In float32 on the CPU. A number that is none would make every answer one: an Input error with
/// the tensor's name.
Result<torch::Tensor> read_adapter_tensor(const TensorView& view, const std::string& place);
/// The same of a tensor that must have this shape.
Result<torch::Tensor> read_adapter_tensor(const TensorView& view,
                                          const std::vector<std::int64_t>& shape,
                                          const std::string& place);
/// A tensor of the file that stands for nothing in the base.
Error no_place_for(const std::string& place);

}  // namespace luthier
