// SPDX-License-Identifier: GPL-3.0-or-later
// What adapters cost beside their base on this machine: memory, and the time of a change from one
// to another.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

#include "app/cli/adapter.h"
#include "engine/device/memory.h"
#include "engine/methods/adapter.h"
#include "engine/models/loaded_model.h"

namespace luthier::cli {

namespace {

struct SwapVerbOptions {
  std::string model, device = "auto", dtype = "auto";
  std::vector<std::string> adapters;
  int copies = 1, rounds = 20;
  bool json = false;
};

struct Swaps {
  double middle = 0, longest = 0;  ///< milliseconds
};

/// From each adapter to the next, round after round.
Swaps time_swaps(const std::vector<std::shared_ptr<Adapter>>& adapters, int rounds) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> taken;
  Adapter* before = adapters.back().get();
  before->activate();
  for (int round = 0; round < rounds; ++round) {
    for (const auto& adapter : adapters) {
      const auto begun = Clock::now();
      before->deactivate();
      adapter->set_training(false, 0);
      adapter->activate();
      taken.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begun).count());
      before = adapter.get();
    }
  }
  before->deactivate();
  std::sort(taken.begin(), taken.end());
  return {taken[taken.size() / 2], taken.back()};
}

Status swap(const SwapVerbOptions& o) {
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel base, load_model(o.model, load));
  const torch::Device device = base.model->device();
  const MemoryUse before = memory_use(device);
  std::vector<std::shared_ptr<Adapter>> adapters;
  std::int64_t own = 0;
  for (int copy = 0; copy < o.copies; ++copy) {
    for (const std::string& folder : o.adapters) {
      LUTHIER_TRY(auto adapter, load_adapter(base, folder));
      for (const auto& [key, tensor] : adapter->tensors())
        own += static_cast<std::int64_t>(tensor.nbytes());
      adapters.push_back(std::move(adapter));
    }
  }
  const Swaps swaps = time_swaps(adapters, o.rounds);
  const MemoryUse after = memory_use(device);
  const double over =
      static_cast<double>(after.allocated) / static_cast<double>(before.allocated + own) - 1;
  if (o.json) {
    print_json({{"adapters", adapters.size()},
                {"base_bytes", before.allocated},
                {"adapter_bytes", own},
                {"allocated_bytes", after.allocated},
                {"over", over},
                {"resident_bytes_before", before.rss},
                {"resident_bytes_after", after.rss},
                {"swap_milliseconds", swaps.middle},
                {"longest_swap_milliseconds", swaps.longest}});
    return {};
  }
  char text[192];
  std::snprintf(text, sizeof text,
                "%zu adapters of %.1f MiB beside a base of %.1f MiB: %+.2f %% over their sum.",
                adapters.size(), static_cast<double>(own) / (1 << 20),
                static_cast<double>(before.allocated) / (1 << 20), 100 * over);
  print_line(text);
  std::snprintf(text, sizeof text, "A swap takes %.3f ms, the longest %.3f ms.", swaps.middle,
                swaps.longest);
  print_line(text);
  return {};
}

}  // namespace

Action add_adapter_swap(CLI::App& app) {
  const auto o = std::make_shared<SwapVerbOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder")->required();
  app.add_option("--adapter", o->adapters, "A PEFT folder (several times)")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--copies", o->copies, "Hang each so many times")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--rounds", o->rounds, "Swaps timed for each")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  return [o] { return swap(*o); };
}

}  // namespace luthier::cli
