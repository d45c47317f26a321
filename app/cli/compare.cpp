// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>
#include <memory>

#include "app/cli/verbs.h"
#include "engine/compare/comparison.h"
#include "engine/models/vlm.h"
#include "engine/session/run_observer.h"

namespace luthier::cli {

namespace {

struct Options {
  std::string model, out, image_folder, device = "auto", dtype = "auto";
  std::vector<std::string> adapters, samples;
  GenerationOptions generation;
};

Status compare(const Options& o) {
  std::vector<std::pair<std::string, std::filesystem::path>> adapters;
  for (const std::string& text : o.adapters) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == text.size()) return input_error("\"" + text + "\" is not NAME=DIR.", "--adapter", "Write --adapter korean=runs/korean/adapter.");
    adapters.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  LUTHIER_TRY(const auto samples,
              read_samples({o.samples.begin(), o.samples.end()}, o.image_folder));
  use_all_cores();
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  LUTHIER_TRY(LoadedModel base, load_model(o.model, load));
  std::size_t shown = 0;
  const auto progress = [&](std::size_t done, std::size_t total) {
    if (done >= shown + std::max<std::size_t>(1, total / 20)) {
      shown = done;
      std::fprintf(stderr, "%zu of %zu answers\n", done, total);
    }
    return !interrupted().stop_requested();
  };
  LUTHIER_TRY(const Comparison comparison, compare_adapters(base, adapters, samples, o.generation, progress));
  LUTHIER_CHECK(write_comparison(comparison, o.out));
  for (std::size_t i = 0; i < comparison.columns.size(); ++i) {
    std::string line = comparison.columns[i].name + ":";
    for (const auto& [name, score] : comparison.scores[i]) {
      char text[64];
      std::snprintf(text, sizeof text, "  %s %.1f %%", name.c_str(), score * 100);
      line += text;
    }
    print_line(line);
  }
  print_line((std::filesystem::path(o.out) / "comparison.html").string());
  return {};
}

}  // namespace

Action add_compare(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  app.add_option("MODEL", o->model, "A checkpoint folder")->required();
  app.add_option("--adapter", o->adapters, "NAME=DIR: a column (several times)")->allow_extra_args(false);
  app.add_option("--samples", o->samples, "Rows to answer; a trailing assistant turn is the expected answer")->required()->allow_extra_args(false);
  app.add_option("--image-folder", o->image_folder,
                 "Where relative picture paths of the samples start (else beside their file)");
  app.add_option("--out", o->out, "The folder to write comparison.json and comparison.html into")->required();
  app.add_option("--max-new-tokens", o->generation.max_new_tokens, "Tokens an answer has at most")->capture_default_str();
  app.add_option("--temperature", o->generation.temperature, "0: greedy")->capture_default_str();
  app.add_option("--top-p", o->generation.top_p, "Share of the probability that is drawn from")->capture_default_str();
  app.add_option("--seed", o->generation.seed, "Of the draws")->capture_default_str();
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  return [o] { return compare(*o); };
}

}  // namespace luthier::cli
