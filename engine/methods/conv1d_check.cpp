// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/conv1d_check.h"

#include "engine/models/family.h"

namespace luthier {

bool is_conv1d_of(const std::string& model_type, const std::string& module) {
  for (const Family& family : families())
    if (model_type == family.model_type)
      return family.may_be_turned && family.may_be_turned(module + ".weight");
  return false;
}

Status check_on_conv1d(const std::string& module, const std::string& method,
                       const AdapterSettings& settings) {
  if (method == "ia3") return {};
  if (method != "lora")
    return input_error(module + " is a Conv1D, on which " + method + " is not built.", "strategy",
                       "Choose lora, ia3, full or freeze.");
  const std::string& start = settings.init_lora_weights;
  for (const char* built : {"true", "false", "gaussian", "orthogonal"})
    if (start == built) return {};
  return input_error(module + " is a Conv1D, on which the start " + start + " is not built.",
                     "adapter.init_lora_weights", "Write true, gaussian or orthogonal.");
}

Error conv1d_not_saved(const std::string& module, const std::string& where) {
  return input_error(module + " is a Conv1D, which is not trained whole beside an adapter.", where,
                     "Hang the adapter on it, or take the strategy full or freeze.");
}

Error conv1d_not_packed(const std::string& module, const std::string& where) {
  return input_error(module + " is a Conv1D, which is not packed here.", where,
                     "Load the model without quantization.");
}

}  // namespace luthier
