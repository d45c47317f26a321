// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/gguf/export_gguf.h"

#include <algorithm>
#include <array>
#include <map>

#include "engine/gguf/layout.h"
#include "engine/gguf/modelfile.h"
#include "engine/gguf/vocabulary.h"
#include "engine/hub/folder_kind.h"
#include "engine/io/files.h"
#include "engine/io/probe.h"
#include "engine/models/open_weights.h"
#include "engine/models/packing.h"
#include "engine/models/stored_head.h"
#include "engine/models/stored_parameter.h"

namespace luthier {

namespace fs = std::filesystem;
using torch::Tensor;

namespace {

/// llama.cpp's own numbers of a file's type.
struct FileType {
  const char* name;
  GgufType type;
  std::uint32_t code;
};
constexpr std::array kFileTypes{FileType{"f32", GgufType::F32, 0},
                                FileType{"f16", GgufType::F16, 1},
                                FileType{"q8_0", GgufType::Q8_0, 7}};
constexpr std::uint32_t kQuantizationVersion = 2;
/// Numbers that are turned into the file's type at a time.
constexpr std::int64_t kGgufPiece = 1 << 20;

/// A checkpoint that is opened for its tensors.
struct OpenedCheckpoint {
  GgufCheckpoint about;
  const Family* family = nullptr;
  std::optional<CheckpointFiles> files;
  std::map<std::string, std::string> names;  ///< in memory → in the files
  std::vector<TokenId> ends;
};

/// The ids of config.json or generation_config.json that end an answer.
std::vector<TokenId> end_ids(const Json& config) {
  std::vector<TokenId> ids;
  const auto found = config.is_object() ? config.find("eos_token_id") : config.end();
  if (!config.is_object() || found == config.end()) return ids;
  if (found->is_number_integer()) ids.push_back(found->get<TokenId>());
  if (found->is_array())
    for (const Json& id : *found)
      if (id.is_number_integer()) ids.push_back(id.get<TokenId>());
  return ids;
}

Result<OpenedCheckpoint> open_checkpoint(const fs::path& folder) {
  LUTHIER_CHECK(check_model_folder(folder));
  OpenedCheckpoint opened;
  opened.about.folder = folder;
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(opened.about.config, read_json_file(folder / "config.json"));
  Json& config = opened.about.config;
  LUTHIER_TRY(opened.family, find_family(config, where));
  opened.about.model_type = opened.family->model_type;
  LUTHIER_TRY(const Plan plan, opened.family->read(config, folder));
  const auto meta = torch::TensorOptions().device(torch::kMeta).dtype(torch::kFloat32);
  auto shapes = plan.made(meta);
  LUTHIER_TRY(opened.files, open_weights(folder, config, *opened.family, *shapes));
  LUTHIER_TRY(const bool own_head, has_own_head(*shapes, *opened.family, *opened.files));
  if (own_head) {
    untie(*opened.family, config);
    shapes = plan.build(meta, HeadWeight::Own);
  }
  LUTHIER_TRY(const PackingPlan packing,
              plan_packing(*shapes, *opened.family, *opened.files, config, {}, where));
  if (packing) {
    return input_error("The checkpoint's weights are packed (" + std::string(packing.kind->name) +
                           "), and GGUF has blocks of its own.",
                       folder.string(), "Export the checkpoint that it was packed from.");
  }
  LUTHIER_TRY(opened.names, stored_names(*opened.family, *opened.files, packing, folder.string()));
  for (const auto& item : shapes->named_parameters())
    opened.about.shapes.push_back({item.key(), item.value().sizes().vec()});
  if (is_there(folder / "generation_config.json")) {
    LUTHIER_TRY(const Json generation, read_json_file(folder / "generation_config.json"));
    opened.ends = end_ids(generation);
  }
  if (opened.ends.empty())
    opened.ends = end_ids(config.contains("text_config") ? config["text_config"] : config);
  return opened;
}

/// What of the parameter is this tensor, in the digits that it is stored in; still to be added to
/// and turned.
Tensor part_of(Tensor stored, const GgufTensor& tensor) {
  if (tensor.frame >= 0) stored = stored.select(2, tensor.frame);
  if (tensor.parts > 1)
    stored = stored.chunk(tensor.parts, 0)[static_cast<std::size_t>(tensor.part)];
  if (tensor.heads > 0) {
    const std::int64_t half = stored.size(0) / tensor.heads / 2;
    std::vector<std::int64_t> apart{tensor.heads, 2, half};
    const auto rest = stored.sizes().slice(1);
    apart.insert(apart.end(), rest.begin(), rest.end());
    stored = stored.view(apart).transpose(1, 2).reshape(stored.sizes());
  }
  return stored;
}

std::vector<std::int64_t> shape_of(const std::vector<std::int64_t>& stored,
                                   const GgufTensor& tensor) {
  std::vector<std::int64_t> shape = stored;
  if (tensor.frame >= 0) shape.erase(shape.begin() + 2);
  shape.front() /= tensor.parts;
  return shape;
}

GgufType type_of(const std::vector<std::int64_t>& shape, const GgufTensor& tensor, GgufType asked) {
  if (asked == GgufType::F32 || shape.size() < 2 || tensor.as == GgufTensor::As::Float)
    return GgufType::F32;
  const bool blocks = shape.size() == 2 && shape.back() % kQ8Block == 0;
  if (tensor.as == GgufTensor::As::Half || !blocks) return GgufType::F16;
  return asked;
}

/// The numbers in the file's type, a piece at a time.
Status give_tensor(const Tensor& stored, GgufType type, float plus, const std::string& where,
                   const TakeBytes& take) {
  const Tensor flat = stored.reshape({-1});
  std::vector<std::byte> blocks;
  for (std::int64_t at = 0; at < flat.numel(); at += kGgufPiece) {
    Tensor numbers = flat.slice(0, at, std::min(at + kGgufPiece, flat.numel())).to(torch::kFloat32);
    if (plus != 0) numbers = numbers + plus;
    numbers = numbers.contiguous();
    if (!numbers.isfinite().all().item<bool>())
      return input_error("A value of this tensor is not finite (NaN or infinite).", where,
                         "The file is damaged, or was saved after its training diverged.");
    const auto count = static_cast<std::size_t>(numbers.numel());
    if (type == GgufType::Q8_0) {
      blocks.resize(count / kQ8Block * (2 + kQ8Block));
      encode_q8_0({numbers.data_ptr<float>(), count}, blocks);
      LUTHIER_CHECK(take(blocks));
      continue;
    }
    if (type == GgufType::F16) {
      numbers = numbers.to(torch::kFloat16);
      if (!numbers.isfinite().all().item<bool>())
        return input_error("A value of this tensor is too large for float16.", where,
                           "Export with --type f32.");
    }
    LUTHIER_CHECK(take({static_cast<const std::byte*>(numbers.data_ptr()), numbers.nbytes()}));
  }
  return {};
}

struct GgufJob {
  const OpenedCheckpoint& from;
  const GgufOptions& options;
  FileType type;
  double done = 0, total = 1;  ///< numbers
};

/// One file of the layout's tensors, those made here behind them.
Status write_layout(const fs::path& path, const GgufLayout& layout, const GgufFields& fields,
                    GgufJob& job) {
  std::map<std::string, const CheckpointShape*> shapes;
  for (const CheckpointShape& each : job.from.about.shapes) shapes[each.name] = &each;
  std::vector<GgufOutline> outlines;
  for (const GgufTensor& tensor : layout.tensors) {
    const auto shape = shape_of(shapes.at(tensor.parameter)->shape, tensor);
    outlines.push_back({tensor.name, type_of(shape, tensor, job.type.type), shape});
  }
  for (const GgufMade& made : layout.made) {
    outlines.push_back(
        {made.name, GgufType::F32, {static_cast<std::int64_t>(made.numbers.size())}});
  }
  const std::string folder = job.from.about.folder.string();
  const StoredTensors stored{*job.from.family, *job.from.files, job.from.names, folder};
  return write_gguf(
      path, fields, outlines, [&](std::size_t index, const TakeBytes& take) -> Status {
        if (job.options.go_on && !job.options.go_on(job.done / job.total))
          return interrupted_error();
        if (index >= layout.tensors.size())
          return take(std::as_bytes(std::span(layout.made[index - layout.tensors.size()].numbers)));
        const GgufTensor& tensor = layout.tensors[index];
        LUTHIER_TRY(
            const StoredParameter parameter,
            StoredParameter::find(stored, tensor.parameter, shapes.at(tensor.parameter)->shape));
        const StoredParameter::Part& part = parameter.parts().front();
        LUTHIER_TRY(const Tensor whole, read_stored(part.view, part.place));
        const Tensor own = part_of(whole, tensor);
        LUTHIER_CHECK(give_tensor(own, outlines[index].type, tensor.plus, part.place, take));
        job.done += static_cast<double>(own.numel());
        return {};
      });
}

/// The layout's fields with what every file says of itself in front.
GgufFields file_fields(const GgufLayout& layout, const char* kind, const std::string& name,
                       std::uint32_t type) {
  GgufFields fields{layout.fields.front()};
  fields.push_back({"general.type", std::string(kind)});
  fields.push_back({"general.name", name});
  fields.push_back({"general.file_type", type});
  fields.push_back({"general.quantization_version", kQuantizationVersion});
  fields.insert(fields.end(), layout.fields.begin() + 1, layout.fields.end());
  return fields;
}

/// For a file's name: what shells and other systems take.
std::string plain_name(const std::string& name) {
  std::string plain;
  for (const char c : name) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
    plain += fine ? c : '-';
  }
  const std::size_t begin = plain.find_first_not_of(".-");
  return begin == std::string::npos ? "model" : plain.substr(begin, 80);
}

/// For how far the writing is.
double numbers_of(const GgufCheckpoint& from) {
  double total = 0;
  for (const CheckpointShape& each : from.shapes) {
    double numbers = 1;
    for (const std::int64_t size : each.shape) numbers *= static_cast<double>(size);
    total += numbers;
  }
  return std::max(1.0, total);
}

Result<FileType> find_type(const std::string& name) {
  for (const FileType& type : kFileTypes)
    if (name == type.name) return type;
  return input_error("\"" + name + "\" is not a type of weights that is written here.", "--type",
                     "Those are f32, f16 and q8_0.");
}

/// The texts of the tokens that end an answer.
Result<std::vector<std::string>> stop_texts(const OpenedCheckpoint& from) {
  LUTHIER_TRY(const auto tokenizer, Tokenizer::load(from.about.folder));
  std::vector<std::string> stops;
  for (const TokenId id : from.ends) {
    const std::string text = tokenizer->id_to_token(id);
    if (!text.empty()) stops.push_back(text);
  }
  return stops;
}

Result<std::string> modelfile_of(const OpenedCheckpoint& from, const GgufLayout& language,
                                 const GgufOptions& options, std::vector<std::string> files) {
  ModelfileParts parts;
  parts.files = std::move(files);
  parts.system = options.system;
  LUTHIER_TRY(parts.stops, stop_texts(from));
  for (const GgufField& field : language.fields) {
    if (field.key.ends_with(".context_length"))
      parts.context = std::min<std::int64_t>(std::get<std::uint32_t>(field.value), 8192);
  }
  return modelfile(from.about.folder, parts);
}

}  // namespace

Json to_json(const GgufReport& report) {
  Json document = Json::object();
  document["files"] = report.files;
  document["bytes"] = report.bytes;
  document["tensors"] = report.tensors;
  document["notes"] = report.notes;
  return document;
}

const std::vector<std::string>& gguf_types() {
  static const std::vector<std::string> kTypes{"f32", "f16", "q8_0"};
  return kTypes;
}

Status check_gguf_type(const std::string& type) {
  LUTHIER_TRY([[maybe_unused]] const FileType known, find_type(type));
  return {};
}

Status check_gguf(const fs::path& model) {
  LUTHIER_TRY(const OpenedCheckpoint from, open_checkpoint(model));
  LUTHIER_TRY(const GgufLayouts layouts, gguf_layouts(from.about));
  LUTHIER_TRY([[maybe_unused]] const GgufFields vocabulary,
              gguf_vocabulary(model, layouts.vocabulary, from.ends));
  return {};
}

Result<GgufReport> export_gguf(const fs::path& model, const fs::path& out,
                               const GgufOptions& options) {
  torch::NoGradGuard no_grad;
  LUTHIER_TRY(const FileType type, find_type(options.type));
  LUTHIER_TRY(const OpenedCheckpoint from, open_checkpoint(model));
  LUTHIER_TRY(GgufLayouts layouts, gguf_layouts(from.about));
  LUTHIER_TRY(const GgufFields vocabulary, gguf_vocabulary(model, layouts.vocabulary, from.ends));
  LUTHIER_TRY(FolderWriter folder, FolderWriter::begin(out));

  const std::string name =
      options.name.empty() ? fs::absolute(model).filename().string() : options.name;
  GgufJob job{from, options, type, 0, numbers_of(from.about)};
  GgufReport report;
  const auto write = [&](const std::string& file, const GgufLayout& layout,
                         const GgufFields& fields) -> Status {
    LUTHIER_CHECK(write_layout(folder.path() / file, layout, fields, job));
    report.files.push_back(file);
    report.bytes += fs::file_size(folder.path() / file);
    report.tensors += static_cast<std::int64_t>(layout.tensors.size() + layout.made.size());
    report.notes.insert(report.notes.end(), layout.notes.begin(), layout.notes.end());
    return {};
  };
  const std::string end = "-" + options.type + ".gguf";
  GgufFields fields = file_fields(layouts.language, "model", name, type.code);
  fields.insert(fields.end(), vocabulary.begin(), vocabulary.end());
  LUTHIER_CHECK(write(plain_name(name) + end, layouts.language, fields));
  if (layouts.pictures) {
    LUTHIER_CHECK(write("mmproj-" + plain_name(name) + end, *layouts.pictures,
                        file_fields(*layouts.pictures, "mmproj", name, type.code)));
  }
  LUTHIER_CHECK(from.files->check_unchanged());
  LUTHIER_TRY(const std::string words, modelfile_of(from, layouts.language, options, report.files));
  LUTHIER_CHECK(write_file_atomically(folder.path() / "Modelfile", words));
  LUTHIER_CHECK(folder.commit());
  report.files.emplace_back("Modelfile");
  return report;
}

}  // namespace luthier
