// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/handover/script.h"

#include <set>

#include "engine/config/quantization_fields.h"
#include "engine/config/watch_fields.h"
#include "engine/handover/script_parts.h"

namespace luthier::handover {

namespace {

/// "a, b" of the names; each only once, in order.
std::string listed(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string import_line(const char* module, const std::set<std::string>& names) {
  if (names.empty()) return {};
  std::string line = std::string("from ") + module + " import " + listed(names) + "\n";
  if (line.size() <= 101) return line;
  line = std::string("from ") + module + " import (\n";
  for (const std::string& name : names) line += "    " + name + ",\n";
  return line + ")\n";
}

/// One evaluation at the end stops nothing, and the callback insists on a strategy.
bool stops_early(const Recipe& recipe, const ScriptFacts& facts) {
  const bool midway = recipe.training.eval_steps > 0 || recipe.training.save_steps > 0;
  return facts.evaluates && midway && recipe.more.integer("training.early_stopping_patience") > 0;
}

bool packs(const Recipe& recipe) { return !quantization_settings(recipe).is_null(); }

/// Before torch counts the cards.
constexpr const char* kOneCard =
    R"(# One rank, one card: the trainer would put a batch on every card that it sees, and a step would
# take as many times the rows.
if os.environ.get("WORLD_SIZE", "1") == "1":
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    os.environ["CUDA_VISIBLE_DEVICES"] = seen.split(",")[0]

)";

std::string imports(const Recipe& recipe, const ScriptFacts& facts) {
  std::set<std::string> datasets{"Features", "List", "Value", "load_dataset"};
  std::set<std::string> transformers{facts.architecture}, peft;
  if (facts.rows.pictures) datasets.insert("Image");
  if (facts.reads_pictures)
    transformers.insert({"AutoImageProcessor", "AutoProcessor"});
  else
    transformers.insert("AutoTokenizer");
  if (facts.trainer->scores) {
    transformers.erase(facts.architecture);
    transformers.insert("AutoModelForSequenceClassification");
  }
  if (packs(recipe)) transformers.insert("BitsAndBytesConfig");
  if (stops_early(recipe, facts)) transformers.insert("EarlyStoppingCallback");
  if (facts.adapter) peft.insert("PeftModel");
  if (facts.adapter && packs(recipe))
    peft.insert({"load_peft_weights", "set_peft_model_state_dict"});
  std::string text;
  if (facts.ordered) text += "import json\n";
  text += "import os\nfrom pathlib import Path\n\n";
  if (recipe.training.device != "cpu") text += kOneCard;
  text += "import torch\n";
  if (packs(recipe)) text += "from accelerate import PartialState\n";
  text += import_line("datasets", datasets);
  text += import_line("peft", peft);
  if (!packs(recipe) && !facts.adapter)
    text += import_line("torch.distributed.tensor", {"DTensor", "Partial"});
  text += import_line("transformers", transformers);
  text += "from transformers.trainer_utils import get_last_checkpoint\n";
  return text + import_line("trl", {facts.trainer->config, facts.trainer->trainer});
}

std::string head(const Recipe& recipe, const ScriptFacts& facts) {
  const ClusterSettings& cluster = facts.cluster;
  std::string text =
      "\"\"\"" + std::string(facts.trainer->trainer) + " on the run that luthier-cli " +
      "trains as " + recipe.objective + " / " + recipe.strategy +
      ": the same rows in the same order,\nfrom the same start.\n\n" +
      "    pip install -r requirements.txt\n" + "    accelerate launch --config_file accelerate/" +
      cluster.sharding + ".yaml train.py    one machine\n" + "    sbatch run.sbatch    " +
      std::to_string(cluster.nodes) + " × " + std::to_string(cluster.gpus_per_node) + " GPUs\n\n" +
      "A step is ACCUMULATION micro-batches, whatever the number of ranks that share "
      "them.\n\"\"\"\n";
  for (const std::string& note : facts.notes) text += python_comment(note);
  return text;
}

std::string constants(const Recipe& recipe, const ScriptFacts& facts) {
  const std::string& dtype = recipe.training.dtype;
  std::string text = "\nHERE = Path(__file__).resolve().parent\n";
  text += "MODEL = " + python_text(facts.model) + "\n";
  if (!facts.revision.empty()) text += "REVISION = " + python_text(facts.revision) + "\n";
  if (facts.rows.pictures)
    text += "PICTURES = " + (facts.pictures.empty() ? "str(HERE)" : python_text(facts.pictures)) +
            "    # where the rows' relative paths start\n";
  text += "ACCUMULATION = " + std::to_string(recipe.training.gradient_accumulation_steps) + "\n";
  text += "RANKS = int(os.environ.get(\"WORLD_SIZE\", \"1\"))\n";
  text +=
      "if ACCUMULATION % RANKS:\n"
      "    raise SystemExit(f\"A step's {ACCUMULATION} micro-batches cannot be shared by "
      "{RANKS} ranks.\")\n";
  text += "BF16 = " +
          std::string(dtype == "float32"    ? "False"
                      : dtype == "bfloat16" ? "True"
                                            : "torch.cuda.is_available() and "
                                              "torch.cuda.is_bf16_supported()") +
          "\n";
  return text;
}

std::string trainer_call(const Recipe& recipe, const ScriptFacts& facts) {
  Keywords words{{"model", "model"}};
  if (!facts.reference.empty()) words.emplace_back("ref_model", "reference");
  words.emplace_back("args", "args");
  words.emplace_back("train_dataset", "train");
  if (facts.evaluates) words.emplace_back("eval_dataset", "evaluation");
  words.emplace_back("processing_class", "processor");
  if (collates(facts)) words.emplace_back("data_collator", "collate");
  if (stops_early(recipe, facts))
    words.emplace_back(
        "callbacks",
        "[EarlyStoppingCallback(" +
            python_literal(setting_value(recipe, "training.early_stopping_patience")) + ", " +
            python_literal(setting_value(recipe, "training.early_stopping_threshold")) + ")]");
  const char* name = facts.ordered ? "InOrder" : facts.trainer->trainer;
  return python_call("trainer = ", name, {}, words);
}

/// Some of transformers' models say that they take no count of a step's tokens; TRL's loss does.
constexpr const char* kWholeSteps =
    "# A step's loss is the mean over all of its tokens, not of its micro-batches' means.\n"
    "trainer.model_accepts_loss_kwargs = True\n";

/// TRL rounds the adapter over a packed base to bfloat16.
constexpr const char* kWiderAdapter =
    R"(# TRL rounds the adapter over a packed base to bfloat16, and this run keeps it in float32.
for parameter in trainer.model.parameters():
    if parameter.requires_grad:
        parameter.data = parameter.data.float()
set_peft_model_state_dict(trainer.model, load_peft_weights(str(HERE / "adapter"), device="cpu"))
)";

/// The trainer leaves the weights where gradients were taken last. A best checkpoint that it has
/// loaded is an average as it stands, which the optimizer must not move.
constexpr const char* kAverage =
    R"(if args.load_best_model_at_end and trainer.state.best_model_checkpoint:
    for group in trainer.optimizer.param_groups:
        group["train_mode"] = False    # the best checkpoint holds the average
trainer.optimizer.eval()    # what is to be used is the average
)";

std::string ending(const Recipe& recipe, const ScriptFacts& facts) {
  std::string text =
      "last = get_last_checkpoint(args.output_dir) if os.path.isdir(args.output_dir) else None\n"
      "trainer.train(resume_from_checkpoint=last)\n";
  if (recipe.training.optim.starts_with("schedule_free")) text += kAverage;
  if (facts.evaluates && recipe.training.eval_steps == 0) text += "print(trainer.evaluate())\n";
  return text + "trainer.save_model(str(HERE / \"result\"))\n";
}

}  // namespace

std::string trl_script(const Recipe& recipe, const ScriptFacts& facts) {
  std::string text = head(recipe, facts) + imports(recipe, facts) + constants(recipe, facts);
  text += processor_part(facts) + rows_part(facts) + tokens_part(recipe, facts);
  if (facts.ordered) text += order_part(facts);
  // Before the model: under ZeRO-3 its weights are shared out while they are read.
  text +=
      "\n\n" + python_call("args = ", facts.trainer->config, {}, training_arguments(recipe, facts));
  text += model_part(recipe, facts);
  if (!packs(recipe)) text += sharded_part(facts);
  text += data_part(facts) + trainer_call(recipe, facts);
  if (facts.trainer->columns == RowColumns::Answer) text += kWholeSteps;
  if (facts.adapter && packs(recipe)) text += kWiderAdapter;
  return text + ending(recipe, facts);
}

}  // namespace luthier::handover
