// SPDX-License-Identifier: GPL-3.0-or-later
// Names that people bring from other tools: each leads to a setting that exists, or to the reason
// why there is none, in a recipe, in a wrong section and in --set.
#include <QtTest>

#include <set>

#include "engine/config/names_elsewhere.h"
#include "engine/config/recipe.h"

using namespace luthier;

class TestNamesElsewhere : public QObject {
  Q_OBJECT

  static std::string leaf_of(const std::string& key) { return key.substr(key.rfind('.') + 1); }

  static std::string refused(const Result<Recipe>& recipe) {
    return recipe.ok() ? std::string() : recipe.error().sentence();
  }

 private slots:
  void every_row_leads_somewhere() {
    std::set<std::string> keys, leaves;
    for (const FieldDescription& field : recipe_fields()) {
      keys.insert(field.key);
      leaves.insert(leaf_of(field.key));
      if (const auto dot = field.key.find('.'); dot != std::string::npos)
        keys.insert(field.key.substr(0, dot));
    }
    std::set<std::string> seen;
    for (const NameElsewhere& row : names_elsewhere()) {
      const bool called = row.kind == NameElsewhere::Kind::Called;
      QCOMPARE(called, !row.key.empty());
      if (called) QVERIFY2(keys.count(row.key), row.key.c_str());
      QVERIFY2(called || row.note.size() > 10, row.names.front().c_str());
      QVERIFY2(row.note.empty() || row.note.back() == '.', row.note.c_str());
      QVERIFY(!row.names.empty());
      for (const std::string& name : row.names) {
        QVERIFY2(seen.insert(name).second, ("twice: " + name).c_str());
        QVERIFY2(!keys.count(name) && !leaves.count(name),
                 ("a setting's own name: " + name).c_str());
        const std::string typed =
            name.ends_with('*') ? name.substr(0, name.size() - 1) + "x" : name;
        const std::string hint = hint_for_name(typed);
        QVERIFY2(hint.find(called ? row.key : row.note) != std::string::npos,
                 (typed + ": " + hint).c_str());
      }
    }
    QVERIFY(seen.size() > 900);
    for (const std::string& key : keys) {  // a mistyped setting is not taken for another tool's
      if (key.size() > 4) QVERIFY2(hint_for_name(key + "x").empty(), key.c_str());
    }
  }

  void known_names_get_the_right_key_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("part");
    const std::vector<std::pair<const char*, const char*>> called = {
        {"lora_rank", "adapter.r."},
        {"lora_r", "adapter.r."},
        {"lora_target", "adapter.target_modules."},
        {"lr", "training.learning_rate."},
        {"bf16", "training.dtype."},
        {"fp16", "training.dtype."},
        {"cutoff_len", "training.max_length."},
        {"max_seq_length", "training.max_length."},
        {"batch_size", "training.per_device_train_batch_size."},
        {"epochs", "training.num_train_epochs."},
        {"micro_batch_size", "training.per_device_train_batch_size."},
        {"adapter.rank", "adapter.r."},
        {"per_device_eval_batch_size", "training.per_device_train_batch_size."},
        {"adapter.dropout", "adapter.lora_dropout."},
        {"training.lr", "training.learning_rate."},
        {"training.epochs", "training.num_train_epochs."},
        {"finetuning_type", "strategy."},
        {"stage", "objective."},
        {"val_size", "eval_dataset."},
        {"gradient_clipping", "training.max_grad_norm."},
        {"num_epochs", "training.num_train_epochs."},
        {"warmup", "training.warmup_ratio."},
        {"model_name_or_path", "model."},
        {"run_name", "output_dir."},
        {"base_model", "model."},
        {"datasets", "dataset."},
        {"sequence_len", "training.max_length."},
        {"optimizer", "training.optim."},
        {"train_on_inputs", "training.loss_on."},
        {"lora", "adapter."},
        {"freeze_vision_tower", "freeze.vision_tower."},
        {"freeze_vit", "freeze.vision_tower."},
        {"image_max_pixels", "image.max_pixels."},
        {"video_fps", "film.fps."},
        {"video_maxlen", "film.max_frames."},
        {"adapter_name_or_path", "adapter.init_from."},
        {"training.lora_rank", "adapter.r."},
        {"LoRA-Rank", "adapter.r."},
        {"maxSeqLength", "training.max_length."},
        {"num_warmup_steps", "training.warmup_steps."},
        {"use_gradient_checkpointing", "training.gradient_checkpointing."},
        {"additional_target", "adapter.modules_to_save."},
        {"eval_strategy", "training.eval_steps."},
        {"quantization_bit", "quantization.load_in_4bit."},
        {"load_in_8bits", "quantization.load_in_8bit."},
        {"double_quantization", "quantization.bnb_4bit_use_double_quant."},
        {"save_strategy", "training.save_steps."},
        {"pref_beta", "dpo.beta."},
        {"kto_desirable_weight", "kto.desirable_weight."},
        {"orpo_alpha", "orpo.beta."},
        {"torch_dtype", "training.dtype."}};
    for (const auto& [name, key] : called)
      QTest::newRow(name) << name << QString("Here it is %1").arg(key);
    QTest::newRow("alpha") << "adapter.alpha"
                           << "adapter.alpha belongs to loha, lokr";
    for (const char* name : {"report_to", "template", "wandb_project", "dataloader_num_workers",
                             "flash_attn", "packing", "trust_remote_code", "push_to_hub",
                             "resume_from_checkpoint", "attn_implementation", "use_unsloth",
                             "preprocessing_num_workers", "overwrite_output_dir"}) {
      QTest::newRow(name) << name << "not needed here, because";
    }
    for (const char* name : {"load_in_fp8", "deepspeed", "fsdp_config", "neftune_noise_alpha",
                             "video_load_backend", "rpo_alpha", "predict_with_generate"}) {
      QTest::newRow(name) << name << "This version does not have it";
    }
  }
  void known_names_get_the_right_key() {
    QFETCH(QString, name);
    QFETCH(QString, part);
    const std::string key = name.toStdString();
    std::vector<std::string> sentences{refused(parse_recipe("", "test.yaml", {key + "=1"}))};
    if (!name.contains('.')) {
      for (const char* form : {"%1: 1", "training: {%1: 1}", "adapter: {%1: 1}", "%1: {r: 1}"}) {
        sentences.push_back(
            refused(parse_recipe(QString(form).arg(name).toStdString(), "test.yaml")));
      }
    }
    for (const std::string& sentence : sentences) {
      QVERIFY2(QString::fromStdString(sentence).contains(part), sentence.c_str());
      QVERIFY2(QString::fromStdString(sentence).contains(name), sentence.c_str());
    }
  }

  void values_of_other_tools_get_the_right_choice() {
    for (const ValueElsewhere& row : values_elsewhere()) {
      const auto& fields = recipe_fields();
      const auto field =
          std::find_if(fields.begin(), fields.end(),
                       [&](const FieldDescription& each) { return each.key == row.key; });
      QVERIFY2(field != fields.end(), row.key.c_str());
      const std::vector<std::string>& choices = field->choices;
      QVERIFY2(std::count(choices.begin(), choices.end(), row.choice) == 1, row.choice.c_str());
      for (const std::string& value : row.values) {
        Recipe recipe;
        const Status status = set_field(recipe, row.key, value);
        QVERIFY2(!status.ok(), value.c_str());
        const std::string sentence = status.error().sentence();
        QVERIFY2(sentence.ends_with("Here it is " + row.choice + "."), sentence.c_str());
      }
    }
  }

  void a_name_in_the_wrong_place_is_told_its_own() {
    const auto hint = [](const char* yaml) {
      return QString::fromStdString(refused(parse_recipe(yaml, "test.yaml")));
    };
    QVERIFY(hint("learning_rate: 1").contains("Did you mean training.learning_rate?"));
    QVERIFY(hint("adapter: {learning_rate: 1}").contains("Did you mean training.learning_rate?"));
    QVERIFY(hint("adapter: lora").contains("strategy: lora"));
    QVERIFY(!hint("model: {name: x}").contains("quotes"));
    QVERIFY(hint("trainin: {seed: 1}").contains("nearest known name is training"));
    QVERIFY(hint("xyzzy: 1").contains("--help"));
    QVERIFY(hint("training: {learning_rat: 1}").contains("nearest known name is training."));
  }
};

QTEST_APPLESS_MAIN(TestNamesElsewhere)
#include "test_names_elsewhere.moc"
