// SPDX-License-Identifier: GPL-3.0-or-later
// The rows of `training`: what every run has, whatever its method, objective and optimizer are.
#include "engine/config/recipe_rows.h"

namespace luthier::rows {

std::vector<Row> training_rows() {
  std::vector<Row> rows;
  auto add = [&rows](Row row) { rows.push_back(std::move(row)); };
  add(choice("training.device", "Device",
             "auto takes the CUDA device with most free memory, else the CPU; cuda:1 names the "
             "second one.",
             {"auto", "cpu", "cuda"}, LUTHIER_FIELD(training.device)));
  add(choice("training.dtype", "Compute type",
             "auto computes in bfloat16 on a CUDA device that has it, else in float32; a resumed "
             "run keeps its own.",
             {"auto", "float32", "bfloat16"}, LUTHIER_FIELD(training.dtype)));
  add(number("training.num_train_epochs", "Epochs",
             "How often every row is seen; max steps replaces it when it is above 0.",
             LUTHIER_FIELD(training.num_train_epochs))
          .unit("epochs")
          .above(0)
          .at_most(1e6));
  add(integer("training.max_steps", "Max steps", "Optimizer steps in all; -1: as the epochs give.",
              LUTHIER_FIELD(training.max_steps))
          .unit("steps")
          .at_least(-1)
          .at_most(kMany));
  add(integer("training.per_device_train_batch_size", "Batch size",
              "Rows that go through the model at once.",
              LUTHIER_FIELD(training.per_device_train_batch_size))
          .unit("rows")
          .at_least(1)
          .at_most(65536));
  add(integer("training.gradient_accumulation_steps", "Gradient accumulation",
              "Batches whose gradients are summed before one step.",
              LUTHIER_FIELD(training.gradient_accumulation_steps))
          .unit("batches")
          .at_least(1)
          .at_most(1048576));
  add(number("training.learning_rate", "Learning rate",
             "The peak rate; each method and objective has a default of its own.",
             LUTHIER_FIELD(training.learning_rate))
          .at_least(0)
          .at_most(100));
  const auto add_rate = [&add](const char* key, const char* label, const char* help) {
    add(kind_optional_number(key, label, help).at_least(0).at_most(100).advanced());
  };
  add_rate("training.vision_tower_learning_rate", "Learning rate of the tower",
           "The peak rate of what trains in the vision tower; empty: the common one.");
  add_rate("training.projector_learning_rate", "Learning rate of the projector",
           "The peak rate of what trains in the projector; empty: the common one.");
  add_rate("training.language_model_learning_rate", "Learning rate of the language model",
           "The peak rate of what trains in the language model; empty: the common one.");
  add_rate("training.adapter_learning_rate", "Learning rate of the adapter",
           "The peak rate of the adapter's own tensors, where their part has none of its own; "
           "empty: the common one, which modules trained whole keep.");
  add(choice("training.lr_scheduler_type", "LR scheduler", "How the rate goes on after the warmup.",
             {"constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts",
              "polynomial", "inverse_sqrt"},
             LUTHIER_FIELD(training.lr_scheduler_type))
          .not_built({"reduce_lr_on_plateau", "cosine_with_min_lr", "warmup_stable_decay"}));
  add(number("training.warmup_ratio", "Warmup ratio",
             "Share of all steps in which the rate rises from 0 to its peak.",
             LUTHIER_FIELD(training.warmup_ratio))
          .at_least(0)
          .at_most(1));
  add(integer("training.warmup_steps", "Warmup steps",
              "Steps of warmup; above 0 it replaces the ratio.",
              LUTHIER_FIELD(training.warmup_steps))
          .unit("steps")
          .at_least(0)
          .at_most(kMany)
          .advanced());
  add(number("training.weight_decay", "Weight decay",
             "Pull towards zero on trained weights, biases and norms left out.",
             LUTHIER_FIELD(training.weight_decay))
          .at_least(0)
          .at_most(100)
          .advanced());
  add(number("training.max_grad_norm", "Max grad norm",
             "Gradients longer than this are scaled down to it; 0 never clips.",
             LUTHIER_FIELD(training.max_grad_norm))
          .at_least(0)
          .at_most(1e9)
          .advanced());
  add(kind_choice("training.optim", "Optimizer", "How gradients become a step.", optimizer_kinds(),
                  LUTHIER_FIELD(training.optim))
          .not_built({"adagrad", "rmsprop", "ademamix", "paged_lion_8bit", "paged_lion_32bit",
                      "schedule_free_sgd", "schedule_free_radam", "galore_adamw", "apollo_adamw"})
          .advanced());
  add(number("training.adam_beta1", "Adam beta 1", "Decay of the running mean of gradients.",
             LUTHIER_FIELD(training.adam_beta1))
          .at_least(0)
          .below(1)
          .advanced());
  add(number("training.adam_beta2", "Adam beta 2",
             "Decay of the running mean of squared gradients.", LUTHIER_FIELD(training.adam_beta2))
          .at_least(0)
          .below(1)
          .advanced());
  add(number("training.adam_epsilon", "Adam epsilon", "Added to the denominator for stability.",
             LUTHIER_FIELD(training.adam_epsilon))
          .at_least(0)
          .at_most(1)
          .advanced());
  add(choice("training.gradient_checkpointing", "Gradient checkpointing",
             "Recompute activations in the backward pass: less memory, more time. auto turns it on "
             "where memory would not do.",
             {"auto", "true", "false"}, LUTHIER_FIELD(training.gradient_checkpointing))
          .advanced());
  add(zero_as_null("training.max_length", "Context length",
                   "Tokens a row holds at most, picture tokens counted; longer rows are cut at the "
                   "end. Empty: no row is cut.",
                   LUTHIER_FIELD(training.max_length))
          .unit("tokens")
          .at_least(0)
          .at_most(16777216));
  add(boolean("training.shuffle", "Shuffle",
              "Visit the rows in another order each epoch, always the same for a seed.",
              LUTHIER_FIELD(training.shuffle))
          .advanced());
  add(integer("training.seed", "Seed", "The same seed, data and settings give the same run.",
              LUTHIER_FIELD(training.seed))
          .at_least(0)
          .at_most(4294967295.0)
          .advanced());
  add(choice("training.loss_on", "Train on",
             "completion: every token after the last prompt; assistant: every assistant turn; all: "
             "every text token.",
             {"completion", "assistant", "all"}, LUTHIER_FIELD(training.loss_on)));
  add(integer("training.logging_steps", "Log every", "Steps between two lines of metrics.",
              LUTHIER_FIELD(training.logging_steps))
          .unit("steps")
          .at_least(1)
          .at_most(kMany)
          .advanced());
  add(integer("training.eval_steps", "Evaluate every",
              "Steps between two evaluations; 0: where evaluation data is given, at every "
              "checkpoint of Save every and at the end, else never.",
              LUTHIER_FIELD(training.eval_steps))
          .unit("steps")
          .at_least(0)
          .at_most(kMany)
          .advanced());
  add(integer("training.save_steps", "Save every",
              "Steps between two checkpoints; 0 saves at the end only.",
              LUTHIER_FIELD(training.save_steps))
          .unit("steps")
          .at_least(0)
          .at_most(kMany)
          .advanced());
  add(number("training.save_minutes", "Save every (minutes)",
             "Minutes between two checkpoints at most, whatever the steps; 0: by steps alone.",
             LUTHIER_FIELD(training.save_minutes))
          .unit("minutes")
          .at_least(0)
          .at_most(1e6)
          .advanced());
  add(integer("training.save_total_limit", "Keep checkpoints",
              "Older checkpoints beyond this number are removed; 0 keeps all.",
              LUTHIER_FIELD(training.save_total_limit))
          .unit("checkpoints")
          .at_least(0)
          .at_most(1e6)
          .advanced());
  add(choice("training.on_low_memory", "Memory that will not do",
             "refuse does not start a run whose forecast is more than 95 % of the free memory; try "
             "starts it all the same.",
             {"refuse", "try"}, LUTHIER_FIELD(training.on_low_memory))
          .advanced());
  return rows;
}

}  // namespace luthier::rows
