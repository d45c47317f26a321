// SPDX-License-Identifier: GPL-3.0-or-later
// A composition onto the disk, one tensor after another.
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <array>
#include <memory>

#include "engine/base/random_stream.h"
#include "engine/base/text.h"
#include "engine/device/device.h"
#include "engine/device/failure.h"
#include "engine/io/files.h"
#include "engine/lab/compose/planned.h"
#include "engine/lab/compose/words.h"
#include "engine/models/first_weight.h"
#include "engine/models/loaded_model.h"
#include "engine/models/stored_parameter.h"
#include "engine/models/tensor_file.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;
using torch::Tensor;

constexpr std::uint64_t kComposeStream = 48;

torch::ScalarType type_to_store(const std::string& dtype) {
  return dtype == "BF16" ? torch::kBFloat16 : dtype == "F16" ? torch::kFloat16 : torch::kFloat32;
}

/// FNV-1a.
std::uint64_t place_of(const std::string& name) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char letter : name)
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3ull;
  return hash;
}

/// By seed and name, so that what is drawn beside it does not matter.
Tensor drawn_tensor(const PlannedTensor& tensor, const PlannedComposition& planned) {
  const std::vector<std::int64_t>& shape = tensor.shown.shape;
  if (tensor.shown.name == planned.draft.identity) return torch::eye(shape[0], shape[1]);
  RandomStream stream(planned.shown.order.seed, kComposeStream, place_of(tensor.shown.name));
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(stream.next());
  return first_weight(*tensor.owner, tensor.slot, shape, tensor.range, generator);
}

Result<Tensor> tower_tensor(const PlannedTensor& tensor, const TowerHalf& tower) {
  std::vector<Tensor> pieces;
  for (const std::string& stored : tensor.shown.from) {
    LUTHIER_TRY(Tensor piece,
                read_stored(*tower.files->find(stored), tower.folder.string() + ": " + stored));
    pieces.push_back(std::move(piece));
  }
  return pieces.size() == 1 ? pieces.front() : at::cat(pieces);
}

Result<Tensor> language_tensor(const PlannedTensor& tensor, const LanguageSource& language) {
  std::vector<std::int64_t> shape = tensor.shown.shape;
  if (tensor.shown.rows_added > 0) shape[0] -= tensor.shown.rows_added;
  LUTHIER_TRY(const StoredParameter stored,
              StoredParameter::find(
                  {*language.family, *language.files, language.names, language.folder.string()},
                  tensor.source, shape));
  Tensor read = torch::empty(shape, scalar_type(stored.dtype()));
  LUTHIER_CHECK(stored.read(read));
  if (tensor.shown.rows_added == 0) return read;
  const Tensor mean =
      (at::sum(read, {0}, /*keepdim=*/true, torch::kFloat64) / static_cast<double>(shape[0]))
          .to(read.scalar_type());
  return at::cat({read, mean.expand({tensor.shown.rows_added, -1})});
}

Result<Tensor> tensor_to_store(const PlannedTensor& tensor, const PlannedComposition& planned) {
  switch (tensor.shown.origin) {
    case ComposedTensor::Origin::Tower: return tower_tensor(tensor, *planned.tower);
    case ComposedTensor::Origin::LanguageModel: return language_tensor(tensor, planned.language);
    case ComposedTensor::Origin::Drawn: break;
  }
  return drawn_tensor(tensor, planned);
}

Status write_weights(const PlannedComposition& planned, const fs::path& folder,
                     const std::function<bool(double)>& go_on) {
  const auto total = static_cast<double>(std::max<std::int64_t>(1, planned.shown.parameters()));
  const auto done = std::make_shared<double>(0);
  std::vector<TensorToMake> tensors;
  for (const PlannedTensor& tensor : planned.tensors) {
    // A Conv1D's files have its matrix turned.
    const Tensor outline = torch::empty(tensor.shown.shape, torch::kMeta);
    const auto shape = as_stored(*planned.family, tensor.shown.name, outline).sizes().vec();
    tensors.push_back({tensor.shown.stored, type_to_store(tensor.shown.dtype), shape,
                       [&planned, &tensor, &go_on, done, total]() -> Result<Tensor> {
                         if (go_on && !go_on(*done / total)) return interrupted_error();
                         LUTHIER_TRY(const Tensor made, tensor_to_store(tensor, planned));
                         *done += static_cast<double>(made.numel());
                         return as_stored(*planned.family, tensor.shown.name, made);
                       }});
  }
  LUTHIER_CHECK(write_tensor_file(folder / "model.safetensors", tensors));
  if (planned.tower && planned.tower->files) LUTHIER_CHECK(planned.tower->files->check_unchanged());
  return planned.language.files ? planned.language.files->check_unchanged() : Status();
}

/// Licences go with the weights that they are of; `before`: what their files' names begin with.
Status copy_licences(const fs::path& from, const std::string& before, const fs::path& to) {
  constexpr std::array kBeginnings{"license", "licence", "notice", "use_policy", "use-policy"};
  std::error_code problem;
  if (from.empty()) return {};
  for (const fs::directory_entry& entry : fs::directory_iterator(from, problem)) {
    const std::string name = entry.path().filename().string(), plain = ascii_lower(name);
    const bool one = std::any_of(kBeginnings.begin(), kBeginnings.end(),
                                 [&](const char* each) { return plain.starts_with(each); });
    if (!one || !entry.is_regular_file(problem)) continue;
    LUTHIER_TRY(const fs::path file, resolve_inside(from, name));
    LUTHIER_TRY(const std::string contents, read_file(file, 4u << 20));
    LUTHIER_CHECK(write_file_atomically(to / (before + name), contents));
  }
  return {};
}

Status write_settings(const PlannedComposition& planned, const fs::path& folder) {
  const ComposeDraft& draft = planned.draft;
  const auto write = [&](const char* name, const Json& document) {
    return write_file_atomically(folder / name, document.dump(2) + "\n");
  };
  LUTHIER_CHECK(write("config.json", planned.shown.config));
  LUTHIER_CHECK(write_tokenizer_files(planned.language, planned.shown.words,
                                      planned.connector->pads, folder));
  Json processor = draft.processor, pictures = draft.image_processor;
  processor["image_processor"] = draft.image_processor;
  pictures["processor_class"] = draft.processor["processor_class"];
  LUTHIER_CHECK(write("processor_config.json", processor));
  LUTHIER_CHECK(write("preprocessor_config.json", pictures));
  if (!draft.mark.text.empty()) {
    LUTHIER_TRY(const PictureTemplate chat, picture_template(planned.language, draft.mark));
    LUTHIER_CHECK(write_file_atomically(folder / "chat_template.jinja", chat.source));
  }
  if (planned.tower) LUTHIER_CHECK(copy_licences(planned.tower->folder, "tower-", folder));
  return copy_licences(planned.language.folder, "", folder);
}

/// What is wrong with a folder that is being made, said of the folder that it was to become.
Error said_of(Error error, const fs::path& made, const fs::path& out) {
  const std::string name = made.string();
  for (std::string* text : {&error.what, &error.where, &error.hint})
    for (std::size_t at = 0; (at = text->find(name, at)) != std::string::npos;
         at += out.string().size())
      text->replace(at, name.size(), out.string());
  return error;
}

Result<Composition> write_whole(const ComposeOrder& order, const fs::path& out,
                                const std::function<bool(double)>& go_on) {
  const torch::NoGradGuard no_grad;
  LUTHIER_TRY(const PlannedComposition planned, plan_whole(order));
  std::error_code ignored;
  const fs::path recipe = stages_recipe_path(out), whole = fs::absolute(out, ignored);
  if (fs::exists(recipe, ignored))
    return input_error("There is a recipe for stages already.", recipe.string(),
                       "Name another folder, or take that file away.");
  LUTHIER_TRY(const std::string stages, stages_recipe(planned.shown, whole));
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(out));
  LUTHIER_CHECK(write_weights(planned, writer.path(), go_on));
  LUTHIER_CHECK(write_settings(planned, writer.path()));
  // What reads rows for the model must be able to be made of the folder before it stands.
  const auto processor = load_processor(writer.path(), {});
  if (!processor) return said_of(processor.error(), writer.path(), out);
  LUTHIER_CHECK(writer.commit());
  LUTHIER_CHECK(write_file_atomically(recipe, stages));
  return planned.shown;
}

}  // namespace

Result<Composition> plan_composition(const ComposeOrder& order) try {
  LUTHIER_TRY(PlannedComposition planned, plan_whole(order));
  return std::move(planned.shown);
} catch (const std::exception& problem) {
  return device_failure(problem, machine_error("There is not enough memory to plan this."),
                        machine_error("The plan failed: " + first_line(problem.what())));
}

Result<Composition> write_composition(const ComposeOrder& order, const fs::path& out,
                                      const std::function<bool(double)>& go_on) try {
  return write_whole(order, out, go_on);
} catch (const std::exception& problem) {
  return device_failure(
      problem, machine_error("There is not enough memory for one of the tensors.", out.string()),
      machine_error("The model could not be composed: " + first_line(problem.what()),
                    out.string()));
}

}  // namespace luthier
