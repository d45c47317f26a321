// SPDX-License-Identifier: GPL-3.0-or-later
// The forecast of every family under many recipes, to the byte as it was when the figures were
// written down (tests/data/forecast/recorded.json, before costs stood beside the modules). A figure
// that changes is a decision: it is written down anew with LUTHIER_RECORD set to the file.
#include <cstdlib>
#include <fstream>

#include "engine/forecast/forecast.h"
#include "engine/forecast/trained.h"
#include "engine/io/json.h"
#include "engine/methods/adapter.h"
#include "engine/teaching/teaching.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
namespace fs = std::filesystem;

namespace {

struct Model {
  const char* name;
  const char* family;          ///< folder of tests/data/models/families; "": the teaching model
  const char* changes = "{}";  ///< merged into its config.json (RFC 7396)
};

const std::vector<Model>& models() {
  static const std::vector<Model> list{
      {"teaching", ""},
      {"llava", "llava"},
      {"llava, states of three layers", "llava",
       R"({"vision_feature_layer": [-1, -2, 1], "vision_feature_select_strategy": "full",
           "text_config": {"model_type": "qwen3", "num_key_value_heads": 2}})"},
      {"llava, wide", "llava",
       R"({"text_config": {"hidden_size": 192, "intermediate_size": 512, "head_dim": 48,
           "num_key_value_heads": 2, "num_hidden_layers": 4, "vocab_size": 4000},
           "vision_config": {"hidden_size": 96, "intermediate_size": 256}})"},
      {"llava, SigLIP", "llava",
       R"({"vision_config": {"model_type": "siglip_vision_model", "vision_use_head": true},
           "vision_feature_select_strategy": "full", "vision_feature_layer": -1})"},
      {"llava_next", "llava_next"},
      {"llava_onevision", "llava_onevision"},
      {"idefics3", "idefics3"},
      {"smolvlm, unfolded", "smolvlm", R"({"scale_factor": 1})"},
      {"internvl", "internvl"},
      {"internvl, other norms", "internvl",
       R"({"vision_config": {"norm_type": "rms_norm", "use_qk_norm": true,
           "use_mean_pooling": false, "num_hidden_layers": 3}, "vision_feature_layer": -2})"},
      {"qwen2_vl", "qwen2_vl"},
      {"qwen2_5_vl", "qwen2_5_vl"},
      {"qwen3_vl", "qwen3_vl"},
      {"glm4v", "glm4v"},
      {"paligemma", "paligemma"},
      {"paligemma 2", "paligemma",
       R"({"text_config": {"model_type": "gemma2", "attn_logit_softcapping": 50.0,
           "query_pre_attn_scalar": 16, "sliding_window": 40, "num_key_value_heads": 2}})"},
      {"gemma3", "gemma3"},
      {"gemma3, own head", "gemma3",
       R"({"tie_word_embeddings": false, "text_config": {"tie_word_embeddings": false}})"},
  };
  return list;
}

const std::vector<std::vector<std::string>>& recipes() {
  const std::string saved = "adapter.modules_to_save=";
  static const std::vector<std::vector<std::string>> list{
      {"strategy=lora"},
      {"adapter.r=64", "training.gradient_checkpointing=true"},
      {"adapter.exclude_modules=.*(vision|visual|projector|connector).*"},
      {"adapter.target_modules=q_proj,v_proj", "adapter.lora_dropout=0"},
      {R"(adapter.target_modules=.*\.(down_proj|fc2|linear_fc2))"},
      {R"(adapter.target_modules=.*\.(o_proj|out_proj|attn\.proj|projection_layer))",
       "training.dtype=bfloat16"},
      {R"(adapter.target_modules=.*\.(up_proj|fc1|linear_fc1|qkv))", saved + "lm_head"},
      {"adapter.target_modules=q_proj,lm_head"},
      {R"(adapter.target_modules=.*layers\.1\..*(q|down)_proj)", "training.dtype=bfloat16"},
      {"adapter.target_modules=embed_tokens,k_proj", "training.dtype=bfloat16"},
      {"adapter.target_modules=k_proj", saved + "embed_tokens"},
      {"strategy=full"},
      {"strategy=full", "training.gradient_checkpointing=true", "training.dtype=bfloat16"},
      {"strategy=full", "training.gradient_accumulation_steps=2"},
      {"strategy=freeze"},
      {"strategy=freeze", "training.dtype=bfloat16", "training.gradient_accumulation_steps=2"},
      {"strategy=freeze", "freeze.vision_tower=false", "freeze.projector=true"},
      {"strategy=freeze", "freeze.vision_tower=false", "training.gradient_checkpointing=true"},
      {"strategy=freeze", "freeze.language_model=false", "freeze.projector=true"},
  };
  return list;
}

/// Batches of one picture a row: rows alike, rows that attention pads, rows that it groups, and one
/// row far longer than its labels.
std::vector<std::pair<std::string, BatchShape>> batches(const ModelGeometry& geometry) {
  std::vector<std::pair<std::string, BatchShape>> list;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> lengths,
                       std::int64_t labels, std::int64_t frames) {
    BatchShape shape;
    shape.batch_size = static_cast<std::int64_t>(lengths.size());
    for (const std::int64_t length : lengths) shape.tokens += length;
    shape.labels = labels;
    shape.lengths = std::move(lengths);
    PictureLoad& pictures = shape.pictures;
    pictures.images = shape.batch_size;
    if (geometry.image_tokens > 0) {
      pictures.frames = shape.batch_size * frames;
      pictures.tokens = pictures.frames * geometry.image_tokens;
      pictures.numbers = pictures.frames * 3 * 32 * 32;
    } else {
      pictures.patches = shape.batch_size * frames * 48;
      pictures.tokens = pictures.patches / 4;
      pictures.numbers = pictures.patches * 3 * 2 * 4 * 4;
    }
    shape.visited_rows = 7 * shape.batch_size;
    PictureLoad& visited = shape.visited;
    for (int i = 0; i < 7; ++i) visited += pictures;
    list.emplace_back(name, shape);
  };
  add("alike", {}, 0, 1);
  BatchShape& alike = list.back().second;
  alike.batch_size = 4, alike.tokens = 1600, alike.labels = 300;
  add("padded", {300, 290, 280, 270}, 900, 1);
  add("grouped", {500, 120, 100, 90}, 100, 3);
  add("one", {777}, 20, 2);
  return list;
}

Result<ModelSummary> summary_of(const Model& model, const fs::path& scratch) {
  if (!*model.family) {
    LUTHIER_TRY(const fs::path base, teaching_base());
    return summarize_model(base);
  }
  const fs::path data = fs::path(LUTHIER_TEST_DATA) / "models/families" / model.family;
  LUTHIER_TRY(Json config, read_json_file(data / "config.json"));
  config.merge_patch(Json::parse(model.changes));
  const fs::path folder = scratch / model.name;
  fs::create_directories(folder);
  std::ofstream(folder / "config.json") << config.dump();
  return summarize_model(folder);
}

}  // namespace

class TestRecorded : public QObject {
  Q_OBJECT

 private slots:
  void forecasts_what_was_recorded() {
    QTemporaryDir scratch;
    const fs::path file = fs::path(LUTHIER_TEST_DATA) / "forecast/recorded.json";
    const char* record = std::getenv("LUTHIER_RECORD");
    const Json recorded = record ? Json::object() : *read_json_file(file);
    Json made = Json::object();
    int compared = 0;
    QStringList differences;
    for (const Model& model : models()) {
      const auto summary = summary_of(model, scratch.path().toStdString());
      QVERIFY2(summary.ok(), summary ? "" : summary.error().sentence().c_str());
      for (const auto& recipe : recipes()) {
        std::vector<std::string> settings{"model=m",
                                          "dataset=d",
                                          "output_dir=o",
                                          "training.device=cpu",
                                          "training.dtype=float32",
                                          "training.gradient_checkpointing=false",
                                          "training.gradient_accumulation_steps=1"};
        std::string name;
        for (const std::string& each : recipe) {
          settings.push_back(each);
          name += (name.empty() ? "" : "; ") + each;
        }
        const auto parsed = parse_recipe("", "test", settings);
        QVERIFY2(parsed.ok(), parsed ? "" : parsed.error().sentence().c_str());
        const bool narrow = parsed->training.dtype == "bfloat16";
        StepTerms terms;  // of one machine, whatever this one is
        terms.element = narrow ? 2 : 4;
        terms.checkpointing = parsed->training.gradient_checkpointing == "true";
        terms.threads = 2, terms.own_loops = true;
        Recipe recipe_to_train = *parsed;
        recipe_to_train.adapter = settings_to_train(*parsed).take();
        for (const auto& [batch, shape] : batches(summary->geometry)) {
          const auto forecast = estimate(*summary, recipe_to_train, shape, terms);
          Json figures = nullptr;  // a recipe that selects nothing of this model is refused
          if (forecast) {
            const MemoryParts& parts = forecast->parts;
            figures = {parts.weights,   parts.adapter,     parts.gradients,
                       parts.optimizer, parts.activations, parts.workspace};
          }
          made[model.name][name][batch] = figures;
          if (record) continue;
          ++compared;
          const Json& wanted = recorded.at(model.name).at(name).at(batch);
          if (figures != wanted)
            differences << QString("%1 | %2 | %3: %4, was %5")
                               .arg(model.name, name.c_str(), batch.c_str(), figures.dump().c_str(),
                                    wanted.dump().c_str());
        }
      }
    }
    if (record) {
      std::ofstream out(record);  // a recipe a line
      for (const auto& [model, of_model] : made.items()) {
        out << (model == made.begin().key() ? "{\n" : ",\n") << Json(model) << ": {";
        for (const auto& [recipe, figures] : of_model.items()) {
          out << (recipe == of_model.begin().key() ? "\n  " : ",\n  ") << Json(recipe) << ": "
              << figures;
        }
        out << "}";
      }
      out << "\n}\n";
      return;
    }
    QCOMPARE(compared, int(models().size() * recipes().size() * 4));
    QVERIFY2(differences.isEmpty(), qPrintable(QString::number(differences.size()) + "\n" +
                                               differences.mid(0, 20).join('\n')));
  }
};

QTEST_GUILESS_MAIN(TestRecorded)
#include "test_recorded.moc"
