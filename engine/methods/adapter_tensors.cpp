// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/adapter_tensors.h"

#include <set>
#include <string_view>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/models/stored_tensor.h"
#include "engine/models/unread_parts.h"

namespace luthier {

namespace {

constexpr std::string_view kBaseLayer = ".base_layer.";

/// The suffix that the key ends in; null: it is of no plug.
const std::string* suffix_of(const std::string& key, const std::vector<std::string>& suffixes) {
  for (const std::string& suffix : suffixes) {
    if (key.ends_with(suffix)) return &suffix;
  }
  return nullptr;
}

/// With bias: all PEFT writes the biases of a module that trains whole, and of the one that it
/// stands for, under the names of its own wrappers too. What trains is there by its plain name.
bool is_said_again(const std::string& key, const SafetensorsFile& file) {
  for (const std::string_view wrapper :
       {".modules_to_save.default.", ".modules_to_save.", ".original_module."}) {
    const auto at = key.find(wrapper);
    if (at == std::string::npos) continue;
    std::string plain = key;
    if (file.find(plain.replace(at, wrapper.size(), "."))) return true;
  }
  return false;
}

Status check_dtype(const TensorInfo& info, const std::string& place) {
  if (info.dtype == DType::F32 || info.dtype == DType::F16 || info.dtype == DType::BF16 ||
      info.dtype == DType::F64)
    return {};
  return input_error("The tensor is stored as " + dtype_name(info.dtype) + ".", place,
                     "Adapters hold F32, F16 or BF16.");
}

}  // namespace

std::int64_t AdapterTensors::OfModule::elements() const {
  std::int64_t count = 0;
  for (const auto& [suffix, view] : views) count += view.info.elements();
  return count;
}

Result<AdapterTensors> sort_adapter_tensors(const SafetensorsFile& file, const Family& family,
                                            const std::vector<std::string>& suffixes) {
  AdapterTensors tensors;
  std::set<std::string> names;
  std::int64_t unread = 0;
  for (const auto& [key, info] : file.header().tensors) {
    const std::string place = file.path().string() + ": " + key;
    if (is_said_again(key, file)) continue;
    LUTHIER_CHECK(check_dtype(info, place));
    const std::string stored = key.starts_with(kPeftPrefix) ? key.substr(kPeftPrefix.size()) : key;
    const auto view = file.find(key);
    std::string name;
    if (const std::string* suffix = suffix_of(stored, suffixes)) {
      const std::string module = stored.substr(0, stored.size() - suffix->size());
      name = family.memory_name(module + ".");
      if (is_left_unread(family.model_type, name)) {
        ++unread;
        continue;
      }
      name.pop_back();
      AdapterTensors::OfModule& found = tensors.modules[name];
      found.stored = module;
      found.views.insert_or_assign(*suffix, *view);
      name += *suffix;
    } else {
      std::string whole = stored;
      const auto at = whole.find(kBaseLayer);
      if (at != std::string::npos) whole.erase(at, kBaseLayer.size() - 1);
      name = family.memory_name(whole);
      if (is_left_unread(family.model_type, name)) {
        ++unread;
        continue;
      }
      tensors.whole.push_back({key, name, *view, at != std::string::npos});
    }
    if (!names.insert(name).second) {
      return input_error("Two tensors stand for " + name + ".", place,
                         "Names of two releases of transformers are mixed in the file; keep one.");
    }
  }
  if (unread > 0)
    log_info(file.path().string() + ": " + std::to_string(unread) +
             " tensors are for what the model hears, and are left unread.");
  return tensors;
}

Result<torch::Tensor> read_adapter_tensor(const TensorView& view, const std::string& place) {
  LUTHIER_CHECK(check_dtype(view.info, place));
  torch::Tensor read = torch::empty(view.info.shape, torch::kFloat32);
  LUTHIER_CHECK(read_stored(view, read, place));
  const auto finite = at::isfinite(read).sum().item<std::int64_t>();
  if (finite == read.numel()) return read;
  return input_error(
      std::to_string(read.numel() - finite) + " of the tensor's " + std::to_string(read.numel()) +
          " values are not finite (NaN or infinite).",
      place,
      "Nothing can be answered with them: take an earlier checkpoint of the run that made them.");
}

Result<torch::Tensor> read_adapter_tensor(const TensorView& view,
                                          const std::vector<std::int64_t>& shape,
                                          const std::string& place) {
  if (view.info.shape == shape) return read_adapter_tensor(view, place);
  return input_error(
      "The shape is " + shape_text(view.info.shape) + ", " + shape_text(shape) + " is expected.",
      place,
      "The adapter was made for another base, or the folder's two files do not "
      "belong together.");
}

Error no_place_for(const std::string& place) {
  return input_error("The base has no place for this tensor.", place,
                     "The adapter was made for another base, or by another method than its "
                     "adapter_config.json says.");
}

}  // namespace luthier
