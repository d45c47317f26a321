// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/merge.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/device/failure.h"
#include "engine/io/files.h"
#include "engine/methods/adapter.h"
#include "engine/methods/adapter_notes.h"
#include "engine/methods/probes.h"
#include "engine/models/packing.h"
#include "engine/models/stored_head.h"

namespace luthier {

namespace fs = std::filesystem;
using torch::Tensor;

namespace {

constexpr double kLargestHalf = 65504;

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
  LUTHIER_TRY(const MediaLimits own, adapter_pixels(adapter_folder));
  options.pixels = chosen_pixels(how.pixels, own);
  LUTHIER_TRY(LoadedModel loaded, load_model(base_folder, options));
  LUTHIER_TRY(auto adapter, load_adapter(loaded, adapter_folder));
  LUTHIER_CHECK(adapter->check_mergeable(adapter_folder));
  LUTHIER_TRY(const std::vector<Example> probes, make_probes(loaded, writer.path()));
  MergeReport report;
  report.probes = static_cast<std::int64_t>(probes.size());
  report.with_picture = !probes.front().images.empty();

  adapter->activate();
  const std::vector<Tensor> beside = probe_logits(*loaded.model, probes);
  report.own_rounding = difference_of_rounding(*loaded.model, *adapter, probes, beside);
  const double limit = report.limit = how.limit.value_or(merge_limit(report.own_rounding));
  adapter->deactivate();
  unpack_weights(*loaded.model, torch::kFloat32);  // a merged model is dense
  report.untied = adapts_tied_head(loaded, *adapter) && untie_head(loaded);
  adapter->merge();
  const std::vector<Tensor> merged = probe_logits(*loaded.model, probes);
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
    rounded = probe_logits(*loaded.model, probes);
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
  const std::vector<Tensor> read_back = probe_logits(*written.model, again);
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

bool adapts_tied_head(const LoadedModel& base, const Adapter& adapter) {
  const std::string tied = tied_weight(*base.model);
  if (tied.empty()) return false;
  const std::string embedding = tied.substr(0, tied.rfind('.')), head = head_name(*base.model);
  for (const auto& [key, tensor] : adapter.tensors()) {
    if (adapter.at_both_ends(key)) continue;  // both stay alike
    for (const std::string& module : {embedding, head}) {
      if (key.starts_with("base_model.model." + module + ".")) return true;
    }
  }
  return false;
}

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
          {"adapter_own_rounding", report.own_rounding},
          {"errors",
           {{"merged_against_adapter", report.arithmetic},
            {"written_against_rounded", report.written},
            {"written_against_adapter", report.rounding}}}};
}

}  // namespace luthier
