// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cctype>

#include "engine/config/quantization_fields.h"
#include "engine/handover/cluster_files.h"

namespace luthier {

const std::vector<std::string>& shardings() {
  static const std::vector<std::string> names{"ddp", "fsdp", "zero2", "zero3"};
  return names;
}

namespace handover {

namespace {

bool made_of(const std::string& text, const char* others) {
  return std::all_of(text.begin(), text.end(), [&](unsigned char letter) {
    return std::isalnum(letter) ||
           std::string_view(others).find(static_cast<char>(letter)) != std::string_view::npos;
  });
}

/// Of a step's batches, the numbers of ranks that share them evenly.
std::string even_ranks(std::int64_t batches) {
  std::string text;
  for (std::int64_t ranks = 1; ranks <= std::min<std::int64_t>(batches, 1024); ++ranks)
    if (batches % ranks == 0) text += (text.empty() ? "" : ", ") + std::to_string(ranks);
  return text;
}

}  // namespace

Status check_cluster(const ClusterSettings& cluster, const Recipe& recipe) {
  if (cluster.nodes < 1 || cluster.nodes > 100'000)
    return input_error("The number of machines must be from 1 to 100000.", "--nodes");
  if (cluster.gpus_per_node < 1 || cluster.gpus_per_node > 1024)
    return input_error("The number of GPUs of a machine must be from 1 to 1024.",
                       "--gpus-per-node");
  if (cluster.time.empty() || !std::isdigit(static_cast<unsigned char>(cluster.time.front())) ||
      !std::all_of(cluster.time.begin(), cluster.time.end(), [](unsigned char letter) {
        return std::isdigit(letter) || letter == ':' || letter == '-';
      }))
    return input_error("This is no time as sbatch takes it.", "--time",
                       "Write minutes, HOURS:MINUTES:SECONDS or DAYS-HOURS:MINUTES:SECONDS.");
  if (!made_of(cluster.partition, "-_.,"))
    return input_error("This is no partition's name.", "--partition");
  const auto& names = shardings();
  if (std::find(names.begin(), names.end(), cluster.sharding) == names.end())
    return input_error("There is no way to share a model called " + cluster.sharding + ".",
                       "--sharding", "Name one of ddp, fsdp, zero2, zero3.");
  if (!quantization_settings(recipe).is_null() && cluster.sharding != "ddp")
    return input_error("A packed base is whole on each card, and " + cluster.sharding +
                           " would share its numbers.",
                       "--sharding", "Write --sharding ddp, or leave quantization out.");
  if (recipe.training.device == "cpu" && cluster.sharding != "ddp")
    return input_error("The recipe is for the CPU (training.device), and " + cluster.sharding +
                           " shares a model among cards.",
                       "--sharding", "Write --sharding ddp, or set training.device to auto.");
  const std::int64_t batches = recipe.training.gradient_accumulation_steps;
  if (batches % cluster.ranks() == 0) return {};
  return input_error("A step of this run is " + std::to_string(batches) + " batches, which " +
                         std::to_string(cluster.ranks()) + " ranks cannot share evenly.",
                     "--gpus-per-node",
                     "Take as many ranks as divide it (" + even_ranks(batches) +
                         "), or set training.gradient_accumulation_steps to a multiple of them.");
}

}  // namespace handover

}  // namespace luthier
