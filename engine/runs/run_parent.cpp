// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/runs/run_parent.h"

#include <functional>

#include "engine/io/files.h"
#include "engine/io/probe.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr const char* kForkedFrom = "forked_from";

Result<Json> read_run_json(const fs::path& run) {
  JsonLimits limits;
  limits.max_bytes = 16u << 20;
  return read_json_file(run / "run.json", limits);
}

}  // namespace

Json to_json(const RunParent& parent) {
  return Json{{"run", parent.run.string()},
              {"started", parent.started},
              {"step", parent.step},
              {"optimizer", parent.carried ? "carried" : "fresh"}};
}

std::optional<RunParent> read_run_parent(const fs::path& run) {
  const auto json = read_run_json(run);
  if (!json || !json->is_object() || !json->contains(kForkedFrom)) return {};
  const Json& said = (*json)[kForkedFrom];
  const std::string where = (run / "run.json").string() + ": " + kForkedFrom;
  const auto path = json_string(said, "run", where, ""),
             started = json_string(said, "started", where, ""),
             optimizer = json_string(said, "optimizer", where, "carried");
  const auto step = json_int(said, "step", where, 0);
  if (!path || !started || !optimizer || !step) return {};
  return RunParent{*path, *started, *step, *optimizer != "fresh"};
}

Status keep_parent(const fs::path& run, Json& json) {
  if (!is_there(run / "run.json")) return {};
  const auto before = read_run_json(run);
  // A broken one is replaced; what it said is lost already.
  if (before && before->is_object() && before->contains(kForkedFrom))
    json[kForkedFrom] = (*before)[kForkedFrom];
  return {};
}

std::vector<TreePlace> run_tree(const std::vector<RunSummary>& runs,
                                const std::vector<std::optional<RunParent>>& parents) {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  const auto settled = [](const fs::path& path) { return path.lexically_normal(); };
  std::vector<std::size_t> parent_of(runs.size(), kNone);
  for (std::size_t i = 0; i < runs.size() && i < parents.size(); ++i) {
    if (!parents[i]) continue;
    for (std::size_t k = 0; k < runs.size(); ++k) {
      if (k == i) continue;
      const bool same_time =
          !parents[i]->started.empty() && parents[i]->started == runs[k].manifest.started;
      const bool same_place = settled(parents[i]->run) == settled(runs[k].path);
      // By when it began, which outlasts another name; a copy has the same time, hence the place.
      if (same_place && (same_time || parents[i]->started.empty())) {
        parent_of[i] = k;
        break;
      }
      if (same_time && parent_of[i] == kNone) parent_of[i] = k;
    }
  }
  std::vector<TreePlace> order;
  std::vector<bool> placed(runs.size(), false);
  const std::function<void(std::size_t, int)> place = [&](std::size_t run, int depth) {
    if (placed[run]) return;
    placed[run] = true;
    order.push_back({run, depth});
    for (std::size_t child = 0; child < runs.size(); ++child)
      if (parent_of[child] == run) place(child, depth + 1);
  };
  for (std::size_t i = 0; i < runs.size(); ++i)
    if (parent_of[i] == kNone) place(i, 0);
  for (std::size_t i = 0; i < runs.size(); ++i) place(i, 0);  // a circle that somebody wrote
  return order;
}

}  // namespace luthier
