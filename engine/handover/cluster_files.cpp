// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/handover/cluster_files.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "engine/config/quantization_fields.h"
#include "engine/io/named_place.h"

namespace luthier::handover {

namespace {

/// A whole model has to be on each card where it is packed.
bool whole_on_each(const Recipe& recipe) { return !quantization_settings(recipe).is_null(); }

/// accelerate makes plain data parallelism of FSDP's file on CPUs, and DeepSpeed is for cards.
bool without_cards(const Recipe& recipe) { return recipe.training.device == "cpu"; }

std::string accelerate_head(const Recipe& recipe, const ClusterSettings& cluster,
                            const std::string& type) {
  std::string text = "compute_environment: LOCAL_MACHINE\ndistributed_type: " + type +
                     "\nmachine_rank: 0\nnum_machines: 1\nnum_processes: " +
                     std::to_string(cluster.gpus_per_node) +
                     "\nmixed_precision: 'no'    # bf16 of the script decides\n";
  if (without_cards(recipe)) text += "use_cpu: true\n";
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
  std::string name = named_place(recipe.output_dir).filename().string();
  std::replace_if(
      name.begin(), name.end(),
      [](unsigned char letter) { return !std::isalnum(letter) && letter != '-' && letter != '_'; },
      '-');
  return name.empty() ? "luthier" : name;
}

}  // namespace

std::vector<NamedText> accelerate_files(const Recipe& recipe, const ClusterSettings& cluster) {
  // On CPUs accelerate starts one rank; torchrun starts several.
  const bool several = cluster.ranks() > 1 && !without_cards(recipe);
  std::vector<NamedText> files{
      {"ddp.yaml", accelerate_head(recipe, cluster, several ? "MULTI_GPU" : "'NO'")}};
  if (whole_on_each(recipe) || without_cards(recipe)) return files;
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
                     "\n#SBATCH --ntasks-per-node=1\n";
  if (!without_cards(recipe))
    text += "#SBATCH --gpus-per-node=" + std::to_string(cluster.gpus_per_node) + "\n";
  text += "#SBATCH --time=" + cluster.time + "\n#SBATCH --output=%x-%j.out\n#SBATCH --requeue\n";
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
  if (without_cards(recipe)) return text;
  return text + (deepspeed ? "" : "# for zero2 and zero3: ") + "deepspeed==0.19.8\n";
}

}  // namespace luthier::handover
