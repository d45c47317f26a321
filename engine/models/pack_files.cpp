// SPDX-License-Identifier: GPL-3.0-or-later
// One tensor is dense at a time: what is packed stays in memory until the file is laid out (its
// sizes are known only then), everything else is read or made again when it is written.
#include "engine/models/pack_files.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/device/failure.h"
#include "engine/hub/folder_kind.h"
#include "engine/io/companion_files.h"
#include "engine/io/files.h"
#include "engine/models/open_weights.h"
#include "engine/models/packing.h"
#include "engine/models/stored_head.h"
#include "engine/models/stored_parameter.h"
#include "engine/models/tensor_file.h"

namespace luthier {

namespace fs = std::filesystem;
using torch::Tensor;

namespace {

constexpr const char* kDequantized = ".dequantized";

Result<Tensor> read_as(const TensorView& view, torch::ScalarType dtype, const std::string& place) {
  Tensor dense = torch::empty(view.info.shape, torch::TensorOptions().dtype(dtype));
  LUTHIER_CHECK(read_stored(view, dense, place));
  return dense;
}

class Writing {
 public:
  void add(const std::string& name, const TensorView& view, torch::ScalarType dtype,
           const std::string& place) {
    tensors_.push_back({name, dtype, view.info.shape,
                        [=]() -> Result<Tensor> { return read_as(view, dtype, place); }});
  }
  void add(const std::string& name, const PackedPointer& packed,
           const std::vector<std::int64_t>& shape, bool dequantized) {
    for (const auto& [end, tensor] : packed->stored()) {
      tensors_.push_back({part_name(name, end, packed->kind()), tensor.scalar_type(),
                          tensor.sizes().vec(),
                          [tensor = tensor]() -> Result<Tensor> { return tensor; }});
    }
    if (!dequantized) return;
    tensors_.push_back({name + kDequantized, packed->dtype(), shape, [=]() -> Result<Tensor> {
                          return packed->dense_rows(0, packed->rows(), packed->dtype()).view(shape);
                        }});
  }
  Status write(const fs::path& path) const { return write_tensor_file(path, tensors_); }

 private:
  std::vector<TensorToMake> tensors_;
};

bool can_be_packed(torch::ScalarType type) {
  return type == torch::kFloat32 || type == torch::kBFloat16 || type == torch::kFloat16;
}

/// What the settings mean; an Input error where that is no packing.
Result<const WeightKind*> kind_to_write(const Json& settings, const std::string& where) {
  LUTHIER_TRY(const WeightKind* kind, find_weight_kind(settings, where));
  if (kind && !kind->written) {
    return input_error("Weights are not packed to " + std::string(kind->name) + " here.", where,
                       "Such checkpoints are read only; pack to nf4, fp4 or int8.");
  }
  if (kind) return kind;
  return input_error("The settings ask for no packing.", where);
}

/// The type that everything is stored in: config.json's, else that of the most numbers.
torch::ScalarType dtype_to_store(const Json& config, const CheckpointFiles& files) {
  for (const char* key : {"dtype", "torch_dtype"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_string()) continue;
    if (*found == "float16") return torch::kFloat16;
    if (*found == "bfloat16") return torch::kBFloat16;
    if (*found == "float32") return torch::kFloat32;
  }
  std::map<DType, std::int64_t> count;
  for (const auto& [name, info] : files.tensors()) count[info.dtype] += info.elements();
  const auto most = std::max_element(
      count.begin(), count.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const torch::ScalarType type = most == count.end() ? torch::kFloat32 : scalar_type(most->first);
  return can_be_packed(type) ? type : torch::kFloat32;
}

Status pack_into(const fs::path& model, const fs::path& out, const PackFiles& how) {
  const torch::NoGradGuard no_grad;
  const std::string where = (model / "config.json").string();
  LUTHIER_TRY(const WeightKind* kind, kind_to_write(how.settings, "quantize"));
  LUTHIER_CHECK(check_model_folder(model));
  LUTHIER_TRY(Json config, read_json_file(model / "config.json"));
  LUTHIER_TRY(const Family* family, find_family(config, where));
  LUTHIER_TRY(const Plan plan, family->read(config, model));
  const auto meta = torch::TensorOptions().device(torch::kMeta);
  auto shapes = plan.made(meta);
  LUTHIER_TRY(const CheckpointFiles files, open_weights(model, config, *family, *shapes));
  LUTHIER_TRY(const bool own_head, has_own_head(*shapes, *family, files));
  if (own_head) shapes = plan.build(meta, HeadWeight::Own);
  LUTHIER_TRY(const PackingPlan packing,
              plan_packing(*shapes, *family, files, config, how.settings, where));
  if (!packing.stored.empty()) {
    return input_error("The weights are packed already (" + std::string(packing.kind->name) + ").",
                       model.string(), "Take the checkpoint that they were made from.");
  }
  LUTHIER_TRY(const auto names, stored_names(*family, files, packing, model.string()));
  const torch::ScalarType dtype = dtype_to_store(config, files);

  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(out));
  Writing writing;
  for (const auto& item : shapes->named_parameters()) {
    if (how.go_on && !how.go_on()) return interrupted_error();
    LUTHIER_TRY(const StoredParameter stored,
                StoredParameter::find({*family, files, names, model.string()}, item.key(),
                                      item.value().sizes()));
    const std::string module = item.key().substr(0, item.key().rfind('.'));
    if (!item.key().ends_with(".weight") || !packing.modules.contains(module)) {
      for (const StoredParameter::Part& part : stored.parts())  // each as it is
        writing.add(family->stored_name(part.name), part.view, dtype, part.place);
      continue;
    }
    const StoredParameter::Part& whole = stored.parts().front();
    LUTHIER_TRY(const Tensor dense, read_as(whole.view, dtype, whole.place));
    LUTHIER_TRY(const PackedPointer packed,
                weight_packing(*kind)->pack(dense, how.settings, whole.place));
    writing.add(family->stored_name(item.key()), packed, whole.view.info.shape, how.dequantized);
  }
  LUTHIER_CHECK(writing.write(writer.path() / "model.safetensors"));
  LUTHIER_CHECK(files.check_unchanged());
  config.erase("torch_dtype");
  config["dtype"] = dtype == torch::kBFloat16  ? "bfloat16"
                    : dtype == torch::kFloat16 ? "float16"
                                               : "float32";
  config["quantization_config"] = kind->written(how.settings);
  if (own_head) untie(*family, config);
  LUTHIER_CHECK(write_file_atomically(writer.path() / "config.json", config.dump(2) + "\n"));
  LUTHIER_CHECK(copy_companion_files(model, writer.path()));
  return writer.commit();
}

Status pack_tensors(const fs::path& path, const fs::path& out, const PackFiles& how) {
  const torch::NoGradGuard no_grad;
  LUTHIER_TRY(const WeightKind* kind, kind_to_write(how.settings, "quantize"));
  LUTHIER_TRY(const SafetensorsFile file, SafetensorsFile::open(path));
  Writing writing;
  for (const auto& [name, info] : file.header().tensors) {
    if (how.go_on && !how.go_on()) return interrupted_error();
    const std::string place = path.string() + ": " + name;
    if (!can_be_packed(scalar_type(info.dtype))) {
      return input_error("The tensor is stored as " + dtype_name(info.dtype) + ".", place,
                         "What is packed must be F16, BF16 or F32.");
    }
    LUTHIER_TRY(const Tensor dense, read_stored(*file.find(name), place));
    LUTHIER_TRY(const PackedPointer packed,
                weight_packing(*kind)->pack(dense, how.settings, place));
    writing.add(name, packed, info.shape, how.dequantized);
  }
  LUTHIER_CHECK(file.check_unchanged());
  return put_file(out, [&](const fs::path& beside) { return writing.write(beside); });
}

template <class Work>
Status guarded(const fs::path& from, const Work& work) try {
  return work();
} catch (const std::exception& problem) {
  return device_failure(
      problem, machine_error("There is not enough memory to pack the weights.", from.string()),
      machine_error("Packing failed: " + first_line(problem.what()), from.string()));
}

}  // namespace

Status pack_checkpoint(const fs::path& model, const fs::path& out, const PackFiles& how) {
  return guarded(model, [&] { return pack_into(model, out, how); });
}

Status pack_file(const fs::path& file, const fs::path& out, const PackFiles& how) {
  return guarded(file, [&] { return pack_tensors(file, out, how); });
}

}  // namespace luthier
