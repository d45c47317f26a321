// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/adapter_router.h"

#include <cmath>
#include <map>
#include <set>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/probe.h"
#include "engine/methods/adapter.h"
#include "engine/models/tensor_file.h"
#include "engine/runs/run_folder.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kRouterFormat = 1;
constexpr std::size_t kMostRouted = 1000;
constexpr const char *kRouterFile = "router.json", *kRouterTensors = "router.safetensors";
/// Between these a temperature is looked for: below, a cosine's last digits would decide.
constexpr double kColdest = 0.02, kWarmest = 10;

Result<std::string> adapter_digest(const fs::path& folder) {
  return sha256_file(folder / Adapter::kTensorFile);
}

/// Rows of length 1; a row of nothing stays so.
torch::Tensor unit_rows(const torch::Tensor& rows) {
  return rows / rows.norm(2, {-1}, /*keepdim=*/true).clamp_min(1e-12);
}

/// The folder as the router's own folder finds it.
std::string way_to(const fs::path& folder, const fs::path& from) {
  std::error_code problem;
  const fs::path way = fs::proximate(fs::absolute(folder), fs::absolute(from), problem);
  return problem || way.empty() ? folder.string() : way.generic_string();
}

Error broken_router(const std::string& what, const fs::path& folder,
                    const std::string& field = {}) {
  const std::string file = (folder / kRouterFile).string();
  return input_error(what, field.empty() ? file : file + ": " + field,
                     "Fit the router again with `luthier-cli router fit`.");
}

/// Mean negative log-likelihood of the expected choices.
double choice_loss(const torch::Tensor& cosines, const std::vector<std::size_t>& expected,
                   double temperature) {
  const torch::Tensor log = torch::log_softmax(cosines / temperature, 1);  // [rows, adapters]
  const auto at = log.accessor<double, 2>();
  double sum = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    sum -= at[static_cast<std::int64_t>(i)][static_cast<std::int64_t>(expected[i])];
  return sum / static_cast<double>(expected.size());
}

Result<torch::Tensor> router_tensor(const std::map<std::string, torch::Tensor>& tensors,
                                    const std::string& name, const std::vector<std::int64_t>& shape,
                                    const fs::path& folder) {
  const auto found = tensors.find(name);
  const bool fits = found != tensors.end() && found->second.sizes() == torch::IntArrayRef(shape) &&
                    found->second.scalar_type() == torch::kFloat32 &&
                    found->second.isfinite().all().item<bool>();
  if (fits) return found->second;
  return input_error("The tensor \"" + name + "\" is missing or not as router.json says.",
                     (folder / kRouterTensors).string(),
                     "Fit the router again with `luthier-cli router fit`.");
}

}  // namespace

torch::Tensor AdapterRouter::cosines(const torch::Tensor& features) const {
  const torch::Tensor rows = unit_rows((features - mean_) / deviation_);
  return torch::matmul(rows, centroids_.t()).to(torch::kFloat64);
}

/// By golden sections of the temperature's logarithm: the loss has one valley in it.
void AdapterRouter::fit_temperature(const torch::Tensor& cosines,
                                    const std::vector<std::size_t>& expected) {
  const double share = (std::sqrt(5.0) - 1) / 2;
  double low = std::log(kColdest), high = std::log(kWarmest);
  const auto loss = [&](double log) { return choice_loss(cosines, expected, std::exp(log)); };
  for (int step = 0; step < 60; ++step) {
    const double left = high - share * (high - low), right = low + share * (high - low);
    if (loss(left) <= loss(right))
      high = right;
    else
      low = left;
  }
  temperature_ = std::exp((low + high) / 2);
}

Result<AdapterRouter> AdapterRouter::fit(const LoadedModel& base,
                                         const std::vector<RoutedTask>& tasks,
                                         const FeatureProgress& progress) {
  if (tasks.size() < 2 || tasks.size() > kMostRouted)
    return input_error("A router chooses among 2 to 1000 adapters.", "--adapter");
  AdapterRouter router;
  router.base_folder_ = base.folder.string();
  LUTHIER_TRY(router.base_fingerprint_, fingerprint_model(base.folder));
  std::vector<Sample> rows, held_out;
  std::vector<std::int64_t> begins{0};
  std::vector<std::size_t> expected;
  std::set<std::string> names;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const RoutedTask& task = tasks[i];
    if (!names.insert(task.name).second)
      return input_error("The name " + task.name + " stands for two adapters.", "--adapter",
                         "Give each a name of its own.");
    if (task.rows.empty() || task.held_out.empty())
      return input_error("There are no rows for " + task.name +
                             (task.rows.empty() ? " to learn from." : " to prove the choice by."),
                         "--rows", "Give it at least 2 rows with --rows NAME=FILE.");
    LUTHIER_TRY(const std::string digest, adapter_digest(task.folder));
    router.adapters_.push_back(
        {task.name, task.folder, digest, static_cast<std::int64_t>(task.rows.size())});
    rows.insert(rows.end(), task.rows.begin(), task.rows.end());
    begins.push_back(static_cast<std::int64_t>(rows.size()));
    held_out.insert(held_out.end(), task.held_out.begin(), task.held_out.end());
    expected.insert(expected.end(), task.held_out.size(), i);
  }
  const std::size_t total = rows.size() + held_out.size();
  const auto of_all = [&](std::size_t before) {
    return [&, before](std::size_t done, std::size_t) {
      return !progress || progress(before + done, total);
    };
  };
  LUTHIER_TRY(const torch::Tensor features, prompt_features(base, rows, of_all(0)));
  LUTHIER_TRY(const torch::Tensor proving, prompt_features(base, held_out, of_all(rows.size())));
  router.mean_ = features.mean(0);
  router.deviation_ = features.std(0, /*unbiased=*/false).clamp_min(1e-6);
  const torch::Tensor units = unit_rows((features - router.mean_) / router.deviation_);
  std::vector<torch::Tensor> centroids;
  for (std::size_t i = 0; i < tasks.size(); ++i)
    centroids.push_back(units.slice(0, begins[i], begins[i + 1]).mean(0));
  router.centroids_ = unit_rows(torch::stack(centroids));
  const torch::Tensor cosines = router.cosines(proving);
  router.fit_temperature(cosines, expected);
  RouterProof& proof = router.proof_;
  proof.confusion.assign(tasks.size(), std::vector<std::int64_t>(tasks.size(), 0));
  const torch::Tensor chosen = cosines.argmax(1);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto choice =
        static_cast<std::size_t>(chosen[static_cast<std::int64_t>(i)].item<std::int64_t>());
    ++proof.confusion[expected[i]][choice];
    ++proof.rows;
    proof.right += choice == expected[i] ? 1 : 0;
  }
  return router;
}

Status AdapterRouter::write(const fs::path& folder) const {
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(folder));
  Json adapters = Json::array();
  for (const RouterChoice& each : adapters_) {
    adapters.push_back({{"name", each.name},
                        {"folder", way_to(each.folder, folder)},
                        {"sha256", each.sha256},
                        {"rows", each.rows}});
  }
  const Json about{
      {"format_version", kRouterFormat},
      {"version", luthier_version()},
      {"router", "nearest_class_mean"},
      {"features", "prompt_mean_of_last_layer"},
      {"base",
       {{"folder", way_to(base_folder_, folder)},
        {"fingerprint", base_fingerprint_},
        {"hidden_size", centroids_.size(1)}}},
      {"temperature", temperature_},
      {"adapters", std::move(adapters)},
      {"held_out",
       {{"rows", proof_.rows}, {"right", proof_.right}, {"confusion", proof_.confusion}}}};
  LUTHIER_CHECK(
      write_file_atomically(writer.path() / kRouterFile,
                            about.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"));
  LUTHIER_CHECK(
      write_tensor_file(writer.path() / kRouterTensors,
                        {{"centroids", centroids_}, {"deviation", deviation_}, {"mean", mean_}}));
  return writer.commit();
}

Result<AdapterRouter> AdapterRouter::open(const fs::path& folder, const LoadedModel& base) {
  if (!is_there(folder / kRouterFile))
    return input_error("This is no router: it has no router.json.", folder.string(),
                       "Make one with `luthier-cli router fit`.");
  LUTHIER_TRY(const Json json, read_json_file(folder / kRouterFile));
  const std::string where = (folder / kRouterFile).string();
  if (!json.is_object()) return broken_router("A map is expected.", folder);
  LUTHIER_TRY(const std::int64_t format, json_int(json, "format_version", where));
  if (format != kRouterFormat)
    return broken_router("This program reads the format 1 and not " + std::to_string(format) + ".",
                         folder, "format_version");
  AdapterRouter router;
  router.folder_ = folder;
  const auto of = json.find("base");
  if (of == json.end() || !of->is_object())
    return broken_router("A map is expected.", folder, "base");
  LUTHIER_TRY(const std::int64_t hidden, json_int(*of, "hidden_size", where + ": base"));
  LUTHIER_TRY(router.base_fingerprint_, json_string(*of, "fingerprint", where + ": base"));
  LUTHIER_TRY(router.base_folder_, json_string(*of, "folder", where + ": base"));
  LUTHIER_TRY(const std::string fingerprint, fingerprint_model(base.folder));
  if (fingerprint != router.base_fingerprint_)
    return input_error("The router was fitted over another base, " + router.base_folder_ + ".",
                       folder.string(), "Load that one, or fit a router over this one.");
  LUTHIER_TRY(router.temperature_, json_number(json, "temperature", where, 1));
  if (!(router.temperature_ >= kColdest / 2 && router.temperature_ <= kWarmest * 2))
    return broken_router("A number from 0.02 to 10 is expected.", folder, "temperature");
  const auto adapters = json.find("adapters");
  if (adapters == json.end() || !adapters->is_array() || adapters->size() < 2 ||
      adapters->size() > kMostRouted || hidden < 1)
    return broken_router("A list of 2 to 1000 adapters is expected.", folder, "adapters");
  for (std::size_t i = 0; i < adapters->size(); ++i) {
    const Json& each = (*adapters)[i];
    const std::string at = where + ": adapters." + std::to_string(i + 1);
    if (!each.is_object()) return input_error("A map is expected.", at);
    RouterChoice choice;
    LUTHIER_TRY(choice.name, json_string(each, "name", at));
    LUTHIER_TRY(const std::string way, json_string(each, "folder", at));
    choice.folder = fs::path(way).is_absolute() ? fs::path(way) : (folder / way).lexically_normal();
    LUTHIER_TRY(choice.sha256, json_string(each, "sha256", at));
    LUTHIER_TRY(choice.rows, json_int(each, "rows", at, 0));
    LUTHIER_TRY(const std::string digest, adapter_digest(choice.folder));
    if (digest != choice.sha256)
      return input_error("The adapter of \"" + choice.name +
                             "\" is not the one that the router was fitted with: its weights have "
                             "changed.",
                         choice.folder.string(),
                         "Fit the router again with `luthier-cli router fit`.");
    router.adapters_.push_back(std::move(choice));
  }
  LUTHIER_TRY(const auto tensors, read_tensor_file(folder / kRouterTensors));
  const auto count = static_cast<std::int64_t>(router.adapters_.size());
  LUTHIER_TRY(router.centroids_, router_tensor(tensors, "centroids", {count, hidden}, folder));
  LUTHIER_TRY(router.mean_, router_tensor(tensors, "mean", {hidden}, folder));
  LUTHIER_TRY(router.deviation_, router_tensor(tensors, "deviation", {hidden}, folder));
  if (!router.deviation_.gt(0).all().item<bool>())
    return broken_router("A deviation is not above 0.", folder);
  if (const auto proof = json.find("held_out"); proof != json.end() && proof->is_object()) {
    LUTHIER_TRY(router.proof_.rows, json_int(*proof, "rows", where + ": held_out", 0));
    LUTHIER_TRY(router.proof_.right, json_int(*proof, "right", where + ": held_out", 0));
  }
  return router;
}

Result<std::vector<Route>> AdapterRouter::choose(const LoadedModel& base,
                                                 const std::vector<Sample>& samples,
                                                 const FeatureProgress& progress) const {
  LUTHIER_TRY(const torch::Tensor features, prompt_features(base, samples, progress));
  if (features.size(1) != centroids_.size(1))
    return input_error("The router's states have " + std::to_string(centroids_.size(1)) +
                           " numbers, and this model's " + std::to_string(features.size(1)) + ".",
                       base.folder.string(), "Load the base that the router was fitted over.");
  const auto [sureness, chosen] = torch::softmax(cosines(features) / temperature_, 1).max(1);
  std::vector<Route> routes;
  for (std::int64_t i = 0; i < features.size(0); ++i)
    routes.push_back(
        {static_cast<std::size_t>(chosen[i].item<std::int64_t>()), sureness[i].item<double>()});
  return routes;
}

}  // namespace luthier
