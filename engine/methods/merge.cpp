// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/merge.h"

#include <array>
#include <cmath>
#include <fstream>

#include "engine/base/text.h"
#include "engine/device/failure.h"
#include "engine/device/product_library.h"
#include "engine/io/files.h"
#include "engine/methods/adapter.h"
#include "engine/methods/adapter_notes.h"
#include "engine/models/packing.h"
#include "engine/models/stored_head.h"

namespace luthier {

namespace fs = std::filesystem;
using torch::Tensor;

namespace {

constexpr std::int64_t kProbeTokens = 96;  // drawn ones, after a probe's own text
constexpr std::int64_t kProbeRows = 160;   // of logits, the last of a probe
constexpr double kLargestHalf = 65504;

/// A PNG of 4 × 4 coloured pixels.
constexpr std::array<unsigned char, 120> kPicture{
    137, 80,  78,  71,  13,  10,  26,  10,  0,   0,   0,   13,  73,  72,  68,  82,  0,   0,
    0,   4,   0,   0,   0,   4,   8,   2,   0,   0,   0,   38,  147, 9,   41,  0,   0,   0,
    63,  73,  68,  65,  84,  120, 218, 1,   52,  0,   203, 255, 0,   121, 66,  189, 242, 33,
    6,   240, 132, 119, 98,  240, 243, 0,   203, 77,  118, 77,  199, 7,   32,  81,  21,  154,
    15,  137, 0,   242, 198, 218, 202, 227, 68,  187, 49,  18,  69,  253, 111, 0,   132, 223,
    154, 215, 197, 179, 208, 118, 172, 14,  143, 83,  135, 138, 25,  131, 236, 142, 123, 134,
    0,   0,   0,   0,   73,  69,  78,  68,  174, 66,  96,  130};

/// Ids of the whole vocabulary but the picture's, the same each time.
void append_drawn(Example& example, std::int64_t vocabulary, TokenId picture) {
  std::uint64_t state = 0x9e3779b97f4a7c15ull;
  for (std::int64_t i = 0; i < kProbeTokens; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    auto id = static_cast<TokenId>((state >> 33) % static_cast<std::uint64_t>(vocabulary));
    if (id == picture) id = id == 0 ? 1 : id - 1;
    example.input_ids.push_back(id);
    example.labels.push_back(kIgnoreLabel);
  }
}

/// A picture with question and answer, and a text without: what of the two the folder can encode,
/// each followed by drawn tokens. The second is drawn tokens alone where the folder has no chat
/// template.
Result<std::vector<Example>> make_probes(const LoadedModel& base, const fs::path& scratch) {
  const fs::path picture = scratch / "probe.png";
  std::ofstream(picture, std::ios::binary)
      .write(reinterpret_cast<const char*>(kPicture.data()), kPicture.size());
  const auto text = [](const char* words) {
    return ContentPart{ContentPart::Kind::Text, words, {}};
  };
  const Message answer{"assistant",
                       {text("Sixteen squares, each of another colour: 4 rows of 4.")}};
  Conversation seen, read;
  seen.messages = {
      {"user",
       {ContentPart{ContentPart::Kind::Image, {}, picture}, text("What is in the picture?")}},
      answer};
  read.messages = {{"user", {text("How many squares have 4 rows of 4?")}}, answer};
  std::vector<Example> probes;
  for (const Conversation& conversation : {seen, read}) {
    auto example = base.processor->encode_training(conversation, LossOn::All, 0, "the probe");
    if (example) probes.push_back(example.take());
  }
  std::error_code problem;
  fs::remove(picture, problem);
  if (problem)
    return machine_error("The probe's picture cannot be removed: " + problem.message(),
                         picture.string());
  if (probes.empty()) probes.emplace_back();
  for (Example& probe : probes) {
    append_drawn(probe, base.model->geometry().vocab_size, base.processor->image_token_id());
    if (base.model->sequence_to_sequence()) probe.source_ids = probe.input_ids;
  }
  return probes;
}

/// [rows, vocabulary] float32 of each probe.
std::vector<Tensor> answers(Model& model, const std::vector<Example>& probes) {
  const torch::NoGradGuard no_grad;
  std::vector<Tensor> logits;
  for (const Example& probe : probes) {
    const Tensor states = states_before_head(model, collate({probe}));  // [tokens, hidden]
    const std::int64_t rows = std::min(kProbeRows, states.size(0));
    logits.push_back(
        model.head()->forward(states.slice(0, states.size(0) - rows)).to(torch::kFloat32));
  }
  return logits;
}

/// The largest difference, of the largest value. Not a number where a logit is none.
double relative_difference(const std::vector<Tensor>& got, const std::vector<Tensor>& wanted) {
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double here = (got[i] - wanted[i]).abs().max().item<double>();
    if (!std::isfinite(here)) return std::nan("");
    difference = std::max(difference, here);
    largest = std::max(largest, wanted[i].abs().max().item<double>());
  }
  return largest > 0 ? difference / largest : difference;
}

/// What the order of its sums changes in the model's float32 logits; 0 where there is one library.
double difference_of_order(Model& model, const std::vector<Example>& probes,
                           const std::vector<Tensor>& logits) {
  const OtherProducts other;
  const double difference = relative_difference(answers(model, probes), logits);
  return std::isfinite(difference) ? difference : 0;
}

bool same_probes(const std::vector<Example>& a, const std::vector<Example>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].input_ids != b[i].input_ids || a[i].images.size() != b[i].images.size()) return false;
    for (std::size_t image = 0; image < a[i].images.size(); ++image) {
      if (a[i].images[image].values != b[i].images[image].values) return false;
    }
  }
  return true;
}

/// Whether the adapter is on the head or on the weight that the head shares.
bool touches(const Adapter& adapter, const std::string& weight, const std::string& head) {
  const std::string embedding = weight.substr(0, weight.rfind('.'));
  for (const auto& [key, tensor] : adapter.tensors()) {
    for (const std::string& module : {embedding, head}) {
      if (key.starts_with("base_model.model." + module + ".")) return true;
    }
  }
  return false;
}

/// As the base is stored; float32 where half precision would make a merged weight infinite.
torch::ScalarType dtype_to_store(const LoadedModel& merged) {
  if (merged.stored_dtype == "BF16") return torch::kBFloat16;
  if (merged.stored_dtype != "F16") return torch::kFloat32;
  for (const Tensor& weight : merged.model->parameters()) {
    if (weight.numel() > 0 && weight.abs().max().item<double>() > kLargestHalf)
      return torch::kFloat32;
  }
  return torch::kFloat16;
}

const char* dtype_text(torch::ScalarType type) {
  return type == torch::kBFloat16 ? "bfloat16" : type == torch::kFloat16 ? "float16" : "float32";
}

std::string figure(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2e", value);
  return text;
}

Status check_error(double error, double limit, const char* what, const fs::path& adapter) {
  if (error <= limit) return {};
  return input_error(std::string(what) + " are off by " + figure(error) +
                         " of the largest logit, " + figure(limit) + " is allowed.",
                     adapter.string(),
                     "Nothing was written. Answer with the adapter beside its base (--adapter), "
                     "which needs no merge.");
}

Result<MergeReport> merge_and_prove(const fs::path& base_folder, const fs::path& adapter_folder,
                                    const fs::path& out, const MergeOptions& how) {
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(out));
  LoadOptions options;
  options.device = "cpu";
  options.dtype = "float32";
  options.go_on = how.go_on;
  LUTHIER_TRY(const PixelLimits own, adapter_pixels(adapter_folder));
  options.pixels = chosen_pixels(how.pixels, own);
  LUTHIER_TRY(LoadedModel loaded, load_model(base_folder, options));
  LUTHIER_TRY(auto adapter, load_adapter(loaded, adapter_folder));
  LUTHIER_CHECK(adapter->check_mergeable(adapter_folder));
  LUTHIER_TRY(const std::vector<Example> probes, make_probes(loaded, writer.path()));
  MergeReport report;
  report.probes = static_cast<std::int64_t>(probes.size());
  report.with_picture = !probes.front().images.empty();

  adapter->activate();
  const std::vector<Tensor> beside = answers(*loaded.model, probes);
  report.order = difference_of_order(*loaded.model, probes, beside);
  const double limit = report.limit =
      how.limit.value_or(std::max(kMergeLimit, kMergeLimitOfOrder * report.order));
  adapter->deactivate();
  unpack_weights(*loaded.model, torch::kFloat32);  // a merged model is dense
  const std::string tied = tied_weight(*loaded.model);
  report.untied =
      !tied.empty() && touches(*adapter, tied, head_name(*loaded.model)) && untie_head(loaded);
  adapter->merge();
  const std::vector<Tensor> merged = answers(*loaded.model, probes);
  report.arithmetic = relative_difference(merged, beside);
  LUTHIER_CHECK(
      check_error(report.arithmetic, limit, "The merged weights' logits", adapter_folder));

  const torch::ScalarType stored = dtype_to_store(loaded);
  report.dtype = dtype_text(stored);
  LUTHIER_CHECK(save_model(loaded, writer.path(), stored));
  std::vector<Tensor> rounded = merged;
  if (stored != torch::kFloat32) {
    const torch::NoGradGuard no_grad;
    for (Tensor& weight : loaded.model->parameters()) weight.copy_(weight.to(stored));
    rounded = answers(*loaded.model, probes);
  }
  adapter.reset();
  loaded = {};  // two models would need twice the memory

  options.pixels = {};  // the written processor says them
  LUTHIER_TRY(const LoadedModel written, load_model(writer.path(), options));
  LUTHIER_TRY(const std::vector<Example> again, make_probes(written, writer.path()));
  if (!same_probes(probes, again)) {
    return input_error(
        "The merged folder encodes a conversation in another way than the base does.",
        base_folder.string(), "Nothing was written.");
  }
  const std::vector<Tensor> read_back = answers(*written.model, again);
  report.written = relative_difference(read_back, rounded);
  report.rounding = relative_difference(read_back, beside);
  LUTHIER_CHECK(check_error(report.written, limit, "The written folder's logits", adapter_folder));
  if (stored == torch::kFloat32) {
    LUTHIER_CHECK(
        check_error(report.rounding, limit, "The written folder's logits", adapter_folder));
  }
  LUTHIER_CHECK(writer.commit());
  return report;
}

}  // namespace

Result<MergeReport> merge_adapter(const fs::path& base_folder, const fs::path& adapter_folder,
                                  const fs::path& out, const MergeOptions& how) try {
  return merge_and_prove(base_folder, adapter_folder, out, how);
} catch (const std::exception& problem) {
  return device_failure(
      problem,
      machine_error("There is not enough memory to merge.", base_folder.string(),
                    "It takes the model in float32 and the adapter."),
      machine_error("Merging failed: " + first_line(problem.what()), base_folder.string()));
}

double MergeReport::relative_error() const {
  return dtype == "float32" ? rounding : std::max(arithmetic, written);
}

std::string MergeReport::sentence() const {
  const std::string probed = std::to_string(probes) + (probes == 1 ? " probe" : " probes") +
                             (with_picture ? "" : " without a picture");
  std::string text = "Its logits are the adapter's to " + figure(relative_error()) +
                     " of the largest (" + probed + ", float32; " + figure(limit) + " allowed)";
  if (dtype != "float32")
    text += "; storing the weights as " + dtype + " moves them by " + figure(rounding);
  return text + "." +
         (untied ? " The head was tied to the embedding and has its own weight now." : "");
}

Json to_json(const MergeReport& report) {
  return {{"dtype", report.dtype},
          {"untied", report.untied},
          {"probes", report.probes},
          {"with_picture", report.with_picture},
          {"relative_error", report.relative_error()},
          {"limit", report.limit},
          {"order_of_sums", report.order},
          {"errors",
           {{"merged_against_adapter", report.arithmetic},
            {"written_against_rounded", report.written},
            {"written_against_adapter", report.rounding}}}};
}

}  // namespace luthier
