// SPDX-License-Identifier: GPL-3.0-or-later
// One adapter a task on one base, and what picks the one for a request: the nearest class mean
// (Mensink et al. 2013) of the prompt's states in the base (prompt_features.h). Each number of a
// state is moved and scaled by its mean and deviation over all rows, because a decoder has a few
// that are large whatever it reads; then rows and class means are compared by their cosine. How
// sure a choice is, is softmax(cosine / temperature), the temperature fitted on rows that the means
// have not seen (Guo et al. 2017). No request trains anything.
//   router.json          format_version, base, temperature, adapters (name, folder, sha256, rows),
//                        held_out (rows, right, confusion)
//   router.safetensors   centroids [adapters, hidden], mean [hidden], deviation [hidden]
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/compare/prompt_features.h"

namespace luthier {

struct RoutedTask {
  std::string name;
  std::filesystem::path folder;  ///< of its adapter, as find_result gives it
  std::vector<Sample> rows;      ///< that its class mean is of
  std::vector<Sample> held_out;  ///< that prove the choice
};

struct Route {
  std::size_t adapter = 0;  ///< its place in the router
  double sureness = 0;      ///< 0 to 1
};

/// An adapter that a router knows.
struct RouterChoice {
  std::string name;
  std::filesystem::path folder;
  std::string sha256;  ///< of its tensor file
  std::int64_t rows = 0;
};

/// On rows that no class mean has seen.
struct RouterProof {
  std::int64_t rows = 0, right = 0;
  /// [task][chosen]: how many of a task's rows went to which adapter.
  std::vector<std::vector<std::int64_t>> confusion;
  double accuracy() const {
    return rows ? static_cast<double>(right) / static_cast<double>(rows) : 0;
  }
};

class AdapterRouter {
 public:
  /// Nothing may hang on `base`. Input errors name a task without rows, or an adapter that cannot
  /// be read.
  static Result<AdapterRouter> fit(const LoadedModel& base, const std::vector<RoutedTask>& tasks,
                                   const FeatureProgress& progress = {});
  /// Reads a folder that write() made for this base; an adapter that is not the one that it was
  /// fitted with is an Input error, and so is another base.
  static Result<AdapterRouter> open(const std::filesystem::path& folder, const LoadedModel& base);
  /// Both files, whole or not at all.
  Status write(const std::filesystem::path& folder) const;

  /// An adapter for each sample. Nothing may hang on `base`.
  Result<std::vector<Route>> choose(const LoadedModel& base, const std::vector<Sample>& samples,
                                    const FeatureProgress& progress = {}) const;

  const std::vector<RouterChoice>& adapters() const { return adapters_; }
  const std::filesystem::path& folder() const { return folder_; }  ///< that it was read from
  const RouterProof& proof() const { return proof_; }

 private:
  AdapterRouter() = default;
  torch::Tensor cosines(const torch::Tensor& features) const;  ///< [rows, adapters] float64
  void fit_temperature(const torch::Tensor& cosines, const std::vector<std::size_t>& expected);

  std::vector<RouterChoice> adapters_;
  std::filesystem::path folder_;
  std::string base_folder_, base_fingerprint_;
  torch::Tensor centroids_, mean_, deviation_;  ///< float32 on the CPU
  double temperature_ = 1;
  RouterProof proof_;
};

}  // namespace luthier
