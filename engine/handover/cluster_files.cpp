// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/handover/cluster_files.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "engine/config/quantization_fields.h"

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

/// A whole model has to be on each card where it is packed.
bool whole_on_each(const Recipe& recipe) { return !quantization_settings(recipe).is_null(); }

std::string accelerate_head(const Recipe& recipe, const ClusterSettings& cluster,
                            const std::string& type) {
  std::string text = "compute_environment: LOCAL_MACHINE\ndistributed_type: " + type +
                     "\nmachine_rank: 0\nnum_machines: 1\nnum_processes: " +
                     std::to_string(cluster.gpus_per_node) +
                     "\nmixed_precision: 'no'    # bf16 of the script decides\n";
  if (recipe.training.device == "cpu") text += "use_cpu: true\n";
  return text;
}

constexpr const char* kFsdp = R"(fsdp_config:
  fsdp_version: 2
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_reshard_after_forward: true
  fsdp_offload_params: false
  fsdp_cpu_ram_efficient_loading: true
  fsdp_activation_checkpointing: false    # gradient_checkpointing of the script decides
  fsdp_state_dict_type: FULL_STATE_DICT
)";

std::string deepspeed_yaml(const std::string& name, bool third) {
  return "deepspeed_config:\n  deepspeed_config_file: accelerate/" + name +
         ".json\n  deepspeed_multinode_launcher: standard\n  zero3_init_flag: " +
         (third ? "true" : "false") + "\n";
}

std::string deepspeed_json(int stage) {
  Json zero{{"stage", stage}, {"overlap_comm", true}, {"contiguous_gradients", true}};
  if (stage == 3) {
    for (const char* key : {"reduce_bucket_size", "stage3_prefetch_bucket_size",
                            "stage3_param_persistence_threshold"})
      zero[key] = "auto";
    zero["stage3_gather_16bit_weights_on_model_save"] = true;
  } else {
    zero["reduce_scatter"] = true;
  }
  const Json config{{"train_batch_size", "auto"},
                    {"train_micro_batch_size_per_gpu", "auto"},
                    {"gradient_accumulation_steps", "auto"},
                    {"gradient_clipping", "auto"},
                    {"bf16", {{"enabled", "auto"}}},
                    {"zero_optimization", zero}};
  return config.dump(2) + "\n";
}

/// The run's folder as Slurm shows jobs.
std::string job_name(const Recipe& recipe) {
  std::string name = std::filesystem::path(recipe.output_dir).filename().string();
  std::replace_if(
      name.begin(), name.end(),
      [](unsigned char letter) { return !std::isalnum(letter) && letter != '-' && letter != '_'; },
      '-');
  return name.empty() ? "luthier" : name;
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
  if (whole_on_each(recipe) && cluster.sharding != "ddp")
    return input_error("A packed base is whole on each card, and " + cluster.sharding +
                           " would share its numbers.",
                       "--sharding", "Write --sharding ddp, or leave quantization out.");
  const std::int64_t batches = recipe.training.gradient_accumulation_steps;
  if (batches % cluster.ranks() == 0) return {};
  return input_error("A step of this run is " + std::to_string(batches) + " batches, which " +
                         std::to_string(cluster.ranks()) + " ranks cannot share evenly.",
                     "--gpus-per-node",
                     "Take as many ranks as divide it (" + even_ranks(batches) +
                         "), or set training.gradient_accumulation_steps to a multiple of them.");
}

std::vector<NamedText> accelerate_files(const Recipe& recipe, const ClusterSettings& cluster) {
  const bool cpu = recipe.training.device == "cpu";
  const std::string several = cpu ? "MULTI_CPU" : "MULTI_GPU";
  std::vector<NamedText> files{
      {"ddp.yaml", accelerate_head(recipe, cluster, cluster.ranks() > 1 ? several : "'NO'")}};
  if (whole_on_each(recipe)) return files;
  files.push_back({"fsdp.yaml", accelerate_head(recipe, cluster, "FSDP") + kFsdp});
  for (const int stage : {2, 3}) {
    const std::string name = "zero" + std::to_string(stage);
    files.push_back({name + ".yaml", accelerate_head(recipe, cluster, "DEEPSPEED") +
                                         deepspeed_yaml(name, stage == 3)});
    files.push_back({name + ".json", deepspeed_json(stage)});
  }
  return files;
}

std::string sbatch_text(const Recipe& recipe, const ClusterSettings& cluster) {
  std::string text = "#!/bin/bash\n#SBATCH --job-name=" + job_name(recipe) +
                     "\n#SBATCH --nodes=" + std::to_string(cluster.nodes) +
                     "\n#SBATCH --ntasks-per-node=1\n#SBATCH --gpus-per-node=" +
                     std::to_string(cluster.gpus_per_node) + "\n#SBATCH --time=" + cluster.time +
                     "\n#SBATCH --output=%x-%j.out\n#SBATCH --requeue\n";
  if (!cluster.partition.empty()) text += "#SBATCH --partition=" + cluster.partition + "\n";
  return text +
         R"sh(# One task a machine: accelerate starts a rank for each of its GPUs. A job that is started again
# goes on from its last checkpoint in run/.
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-$(dirname "$0")}"

MASTER_ADDR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
MASTER_PORT=$((29500 + SLURM_JOB_ID % 1000))
RANKS=$((SLURM_NNODES * )sh" +
         std::to_string(cluster.gpus_per_node) + R"sh())
export MASTER_ADDR MASTER_PORT RANKS

srun --kill-on-bad-exit=1 bash -c 'accelerate launch --config_file accelerate/)sh" +
         cluster.sharding + R"sh(.yaml \
  --num_machines "$SLURM_NNODES" --num_processes "$RANKS" --machine_rank "$SLURM_NODEID" \
  --main_process_ip "$MASTER_ADDR" --main_process_port "$MASTER_PORT" train.py'
)sh";
}

std::string requirements_text(const Recipe& recipe, const ScriptFacts& facts) {
  std::string text =
      "torch==2.11.0\ntransformers==5.17.0\ntrl==1.16.0\naccelerate==1.15.0\n"
      "datasets==5.2.0\njinja2==3.1.6\n";
  if (facts.adapter) text += "peft==0.21.2\n";
  if (facts.reads_pictures) text += "pillow==13.0.0\ntorchvision==0.26.0\n";
  const std::string& optim = recipe.training.optim;
  const bool bits = optim.find("8bit") != std::string::npos || optim.starts_with("paged") ||
                    optim.starts_with("lion");
  if (bits || whole_on_each(recipe)) text += "bitsandbytes==0.50.2\n";
  if (optim.starts_with("schedule_free")) text += "schedulefree==1.4.1\n";
  const bool deepspeed = facts.cluster.sharding.starts_with("zero");
  return text + (deepspeed ? "" : "# for zero2 and zero3: ") + "deepspeed==0.19.8\n";
}

}  // namespace handover

}  // namespace luthier
