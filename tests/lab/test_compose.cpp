// SPDX-License-Identifier: GPL-3.0-or-later
// A composition is what its plan says: numbers, tensors of the halves as they stood, the same bytes
// for the same seed; and what does not go together is said before anything is written.
#include "engine/config/stages.h"
#include "engine/io/files.h"
#include "engine/lab/compose/composition.h"
#include "engine/lab/law_text.h"
#include "engine/models/loaded_model.h"
#include "engine/models/tensor_file.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QTemporaryDir>
#include <QtTest>

#include <algorithm>
#include <map>
#include <set>

using namespace luthier;
namespace fs = std::filesystem;

class TestCompose : public QObject {
  Q_OBJECT

  QTemporaryDir shelf_;
  fs::path shelf() const { return shelf_.path().toStdString(); }

  static ComposeOrder order_of(const std::string& connector, const std::string& tower = "small",
                               const std::string& language = "small") {
    ComposeOrder order;
    order.connector = connector, order.tower = tower, order.language_model = language;
    return order;
  }

  static Composition planned(const ComposeOrder& order) {
    auto plan = plan_composition(order);
    if (!plan) qFatal("%s", plan.error().sentence().c_str());
    return plan.take();
  }

  static std::string refusal(const ComposeOrder& order) {
    const auto plan = plan_composition(order);
    return plan ? std::string() : plan.error().sentence();
  }

  /// A Llama of four layers and 260 words, none of them a picture's, with drawn weights.
  fs::path language_model(const std::string& name, const Json& changes = Json::object()) {
    const fs::path folder = shelf() / name, drawn = shelf() / (name + "-drawn");
    fs::create_directories(drawn);
    Json config = {{"architectures", {"LlamaForCausalLM"}},
                   {"model_type", "llama"},
                   {"vocab_size", LawText::kVocabulary},
                   {"hidden_size", 16},
                   {"intermediate_size", 24},
                   {"num_hidden_layers", 4},
                   {"num_attention_heads", 2},
                   {"num_key_value_heads", 2},
                   {"max_position_embeddings", 64},
                   {"bos_token_id", 1},
                   {"eos_token_id", 2},
                   {"pad_token_id", 3},
                   {"tie_word_embeddings", false}};
    config.update(changes);
    if (!LawText(1).write_tokenizer(drawn) ||
        !write_file_atomically(drawn / "config.json", config.dump()))
      qFatal("the language model cannot be written");
    LoadOptions options;
    options.random_weights = true, options.device = "cpu", options.dtype = "float32";
    const auto loaded = load_model(drawn, options);
    if (!loaded) qFatal("%s", loaded.error().sentence().c_str());
    if (const Status saved = save_model(*loaded, folder, torch::kBFloat16); !saved)
      qFatal("%s", saved.error().sentence().c_str());
    return folder;
  }

  /// A folder with a CLIP tower: of a composition.
  fs::path tower() {
    const fs::path folder = shelf() / "tower";
    if (fs::exists(folder)) return folder;
    ComposeOrder order = order_of("mlp");
    order.seed = 3;
    const auto made = write_composition(order, folder);
    if (!made) qFatal("%s", made.error().sentence().c_str());
    return folder;
  }

  static const ComposedPart& part_of(const Composition& plan, const std::string& name) {
    return *std::find_if(plan.parts.begin(), plan.parts.end(),
                         [&](const ComposedPart& part) { return part.part == name; });
  }

  static std::map<std::string, torch::Tensor> tensors_in(const fs::path& folder) {
    auto read = read_tensor_file(folder / "model.safetensors");
    if (!read) qFatal("%s", read.error().sentence().c_str());
    return read.take();
  }

 private slots:
  void a_plan_has_the_numbers() {
    const Composition mlp = planned(order_of("mlp"));
    QCOMPARE(QString::fromStdString(mlp.model_type), QString("llava"));
    QCOMPARE(mlp.picture.tower_tokens, 10);  // nine patches and the class token
    QCOMPARE(mlp.picture.states, 9);
    QCOMPARE(mlp.picture.text_tokens, 9);
    // 128 -> 192 -> 192 with biases
    QCOMPARE(part_of(mlp, "projector").parameters, 128 * 192 + 192 + 192 * 192 + 192);
    QCOMPARE(part_of(mlp, "projector").drawn, part_of(mlp, "projector").parameters);
    QCOMPARE(mlp.stages.size(), std::size_t(2));
    QVERIFY(mlp.stages[0].projector && !mlp.stages[0].language_model);
    QVERIFY(mlp.stages[1].projector && mlp.stages[1].language_model);
    const std::string drawn = drawing(mlp);
    for (const char* says : {"9 patches of 24 x 24", "linear_1 128 -> 192, gelu", "9 places"})
      QVERIFY2(drawn.find(says) != std::string::npos, says);

    ComposeOrder queries = order_of("qformer");
    queries.queries = 5;
    const Composition qformer = planned(queries);
    QCOMPARE(qformer.picture.text_tokens, 5);
    QVERIFY(!qformer.stages[0].lacks.empty());
    QVERIFY(!qformer.stages[1].vision_tower && !qformer.stages[1].language_model);

    const fs::path language = language_model("numbers");
    ComposeOrder every = order_of("resampler", "small", language.string());
    every.every = 2, every.queries = 6;
    const Composition gated = planned(every);
    QCOMPARE(gated.picture.states, 6);
    std::set<std::string> layers;
    for (const ComposedTensor& tensor : gated.tensors)
      if (const auto at = tensor.name.find("gated_cross_attn_layers."); at != std::string::npos)
        layers.insert(tensor.name.substr(0, tensor.name.find('.', at + 24)));
    QCOMPARE(layers.size(), std::size_t(2));

    const Composition early = planned(order_of("early", ""));
    QCOMPARE(early.picture.text_tokens, 3 * 4);
    QVERIFY(early.stages[0].settings.size() == 1 && early.stages[0].strategy == "full");
  }

  void fields_that_nothing_reads_are_refused() {
    const auto said = [&](const char* connector, const char* field, const Json& value) {
      ComposeOrder order = order_of(connector);
      order.fields = {{field, value}};
      return refusal(order);
    };
    const auto has = [](const std::string& sentence, std::initializer_list<const char*> parts) {
      for (const char* part : parts)
        if (sentence.find(part) == std::string::npos) qFatal("%s", sentence.c_str());
      return sentence.find("composition/") == std::string::npos;
    };
    QVERIFY(has(said("mlp", "vision_feature_layr", -1),
                {"--set vision_feature_layr", "Did you mean vision_feature_layer?"}));
    QVERIFY(has(said("mlp", "text_config.foo", 1), {"--set text_config.foo", "reads this field"}));
    QVERIFY(has(said("qformer", "qformr_config.hidden_size", 8),
                {"no section qformr_config", "Did you mean qformer_config?"}));
    // What reads the config.json to be written says it of the field that the person gave.
    QVERIFY(has(said("qformer", "qformer_config.hidden_size", -3),
                {"--set qformer_config.hidden_size: hidden_size is -3"}));
    QVERIFY(has(said("qformer", "qformer_config.hidden_size", 7), {"qformer_config"}));
    // Before anything is drawn: numbers are multiplied there.
    constexpr std::int64_t kHuge = std::int64_t{1} << 62;
    QVERIFY(
        has(said("prefix-mlp", "prefix_length", kHuge), {"--set prefix_length", "prefix_length"}));
    ComposeOrder aligned = order_of("encoder-free", "");
    aligned.fields = {{"alignment_config", {{"image_size", kHuge}, {"layer_rate", 1}}}};
    QVERIFY(has(refusal(aligned), {"--set alignment_config: image_size is"}));
    aligned.fields = {{"patch_stride", kHuge}};
    QVERIFY(has(refusal(aligned), {"--set patch_stride: patch_stride is"}));
    QVERIFY(has(said("resampler", "alpha_type", "foo"), {"--set alpha_type: \"foo\""}));
    // Fields that stand in no config.json that is made, and are read all the same.
    QCOMPARE(said("mlp", "multimodal_projector_bias", false), std::string());
    QCOMPARE(said("mlp", "vision_feature_layer", Json::array({-2, -1})), std::string());
  }

  /// A stage without a recipe is none of the recipe's stages.
  void stages_are_numbered_as_the_recipe_has_them() {
    const std::string drawn = drawing(planned(order_of("qformer")));
    QVERIFY2(drawn.find("  - represent: ") != std::string::npos, drawn.c_str());
    QVERIFY2(drawn.find("  1 generate: ") != std::string::npos, drawn.c_str());
  }

  void what_does_not_go_together_is_said_data() {
    QTest::addColumn<QString>("connector");
    QTest::addColumn<QString>("tower");
    QTest::addColumn<QString>("says");
    QTest::newRow("no such connector") << "glue"
                                       << "small"
                                       << "There is no connector \"glue\"";
    QTest::newRow("no tower wanted") << "early"
                                     << "small"
                                     << "has no tower";
    QTest::newRow("a tower wanted") << "mlp"
                                    << ""
                                    << "needs a tower";
    QTest::newRow("another tower") << "qformer"
                                   << "TOWER"
                                   << "not built like a clip_vision_model";
    QTest::newRow("no projection") << "prefix-mlp"
                                   << "TOWER"
                                   << "lack visual_projection.weight";
    QTest::newRow("no tower there") << "mlp"
                                    << "TEXT"
                                    << "has no picture tower";
    QTest::newRow("nothing there") << "mlp"
                                   << "/nowhere/at/all"
                                   << "There is no such folder";
  }
  void what_does_not_go_together_is_said() {
    QFETCH(QString, connector);
    QFETCH(QString, tower);
    QFETCH(QString, says);
    const std::string given = tower == "TOWER"  ? this->tower().string()
                              : tower == "TEXT" ? language_model("refused").string()
                                                : tower.toStdString();
    const std::string said = refusal(order_of(connector.toStdString(), given));
    QVERIFY2(said.find(says.toStdString()) != std::string::npos, said.c_str());
  }

  void a_language_model_that_does_not_fit_is_said() {
    const auto says = [](const ComposeOrder& order, const char* text) {
      const std::string said = refusal(order);
      if (said.find(text) == std::string::npos) qFatal("\"%s\" lacks: %s", said.c_str(), text);
    };
    says(order_of("mlp", "small", tower().string()), "takes pictures already");
    const fs::path shared = language_model("shared", {{"num_key_value_heads", 1}});
    says(order_of("gated", "small", shared.string()), "keys and values for each");
    says(order_of("prefix-mlp", "small", shared.string()), "stands before GPT-2");
    ComposeOrder every = order_of("gated", "small", language_model("four").string());
    every.every = 3;
    says(every, "3 does not divide");
    ComposeOrder queries = order_of("mlp");
    queries.queries = 4;
    says(queries, "has no queries");
    const fs::path brief = language_model("brief", {{"max_position_embeddings", 8}});
    says(order_of("mlp", "small", brief.string()), "places of the text");
    ComposeOrder cut = order_of("mlp", "small", language_model("cut").string());
    cut.fields = {{"text_config.num_hidden_layers", 2}};
    says(cut, "goes by tower and language model");
    cut.fields = {{"vision_config.num_hidden_layers", 2}};
    says(cut, "goes by tower and language model");
    cut.fields = {{"image_token_index", 3}};
    says(cut, "goes by tower and language model");
    cut.fields = {{"audio_config.hidden_size", 2}};
    says(cut, "no section audio_config");

    const fs::path adapter = shelf() / "adapter";
    fs::create_directories(adapter);
    QVERIFY(write_file_atomically(adapter / "adapter_config.json", "{}").ok());
    says(order_of("mlp", "small", adapter.string()), "adapter");
    const fs::path packed = language_model("packed");
    auto config = read_json_file(packed / "config.json");
    QVERIFY(config.ok());
    (*config)["quantization_config"] = {{"quant_method", "bitsandbytes"}};
    QVERIFY(write_file_atomically(packed / "config.json", config->dump()).ok());
    says(order_of("mlp", "small", packed.string()), "packed");
  }

  void what_is_written_opens_as_its_family_data() {
    QTest::addColumn<QString>("connector");
    for (const ConnectorSummary& row : connectors())
      QTest::newRow(row.key.c_str()) << QString::fromStdString(row.key);
  }
  void what_is_written_opens_as_its_family() {
    QFETCH(QString, connector);
    QTemporaryDir place;
    const fs::path out = fs::path(place.path().toStdString()) / "made";
    ComposeOrder order = order_of(connector.toStdString());
    if (connector == "early" || connector == "encoder-free") order.tower.clear();
    const auto made = write_composition(order, out);
    QVERIFY2(made.ok(), made ? "" : made.error().sentence().c_str());
    LoadOptions options;
    options.device = "cpu", options.dtype = "float32";
    const auto loaded = load_model(out, options);
    QVERIFY2(loaded.ok(), loaded ? "" : loaded.error().sentence().c_str());
    QCOMPARE(QString(loaded->family->model_type), QString::fromStdString(made->model_type));
    std::int64_t numbers = 0;
    for (const torch::Tensor& tensor : loaded->model->parameters()) numbers += tensor.numel();
    QCOMPARE(made->parameters(), numbers);
    const auto staged = read_staged_recipe(stages_recipe_path(out));
    QVERIFY2(staged.ok(), staged ? "" : staged.error().sentence().c_str());
    QVERIFY(staged->has_value());
    QCOMPARE(fs::path((*staged)->stages.front().recipe.model), out);

    const auto again = write_composition(order, out);
    QVERIFY(!again.ok());
    const fs::path other = fs::path(place.path().toStdString()) / "other";
    QVERIFY(write_composition(order, other).ok());
    QCOMPARE(*sha256_file(other / "model.safetensors"), *sha256_file(out / "model.safetensors"));
    order.seed = 1;
    const fs::path third = fs::path(place.path().toStdString()) / "third";
    QVERIFY(write_composition(order, third).ok());
    QVERIFY(*sha256_file(third / "model.safetensors") != *sha256_file(out / "model.safetensors"));
  }

  void halves_are_taken_as_they_stand() {
    const fs::path language = language_model("whole"), out = shelf() / "composed";
    const ComposeOrder order = order_of("mlp", tower().string(), language.string());
    const auto made = write_composition(order, out);
    QVERIFY2(made.ok(), made ? "" : made.error().sentence().c_str());
    const auto got = tensors_in(out), pictures = tensors_in(tower()), words = tensors_in(language);
    int from_tower = 0, from_language = 0;
    for (const ComposedTensor& tensor : made->tensors) {
      if (tensor.origin == ComposedTensor::Origin::Drawn) continue;
      const bool is_tower = tensor.origin == ComposedTensor::Origin::Tower;
      const torch::Tensor source = (is_tower ? pictures : words).at(tensor.from.front()),
                          here = got.at(tensor.stored);
      (is_tower ? from_tower : from_language) += 1;
      QCOMPARE(here.scalar_type(), source.scalar_type());
      QVERIFY2(torch::equal(here.slice(0, 0, source.size(0)), source), tensor.name.c_str());
      if (tensor.rows_added == 0) continue;
      const torch::Tensor mean = source.to(torch::kFloat64).mean(0).to(source.scalar_type());
      QVERIFY(torch::equal(here[source.size(0)], mean));
    }
    QCOMPARE(from_language, static_cast<int>(words.size()));
    QVERIFY(from_tower > 0);
    QCOMPARE(made->words.front().id, std::int64_t(LawText::kVocabulary));
    QVERIFY(made->words.front().row == ComposedWord::Row::New);
    QCOMPARE(part_of(*made, "vision_tower").drawn, 0);
    QCOMPARE(part_of(*made, "language_model").drawn, 2 * 16);  // a row of either table
    LoadOptions options;
    options.device = "cpu", options.dtype = "float32";
    const auto loaded = load_model(out, options);
    QVERIFY2(loaded.ok(), loaded ? "" : loaded.error().sentence().c_str());

    // The connector of a seed is the same between other halves.
    const fs::path between = shelf() / "between";
    const auto other = write_composition(order_of("mlp", "small", language.string()), between);
    QVERIFY2(other.ok(), other ? "" : other.error().sentence().c_str());
    const std::string name = "multi_modal_projector.linear_1.weight";
    QVERIFY(torch::equal(tensors_in(between).at(name), got.at(name)));
  }

  void nothing_half_written_stays() {
    const fs::path out = shelf() / "stopped";
    const auto stopped = write_composition(order_of("mlp"), out, [](double) { return false; });
    QVERIFY(!stopped.ok());
    QCOMPARE(stopped.error().exit_status(), 130);
    QVERIFY(!fs::exists(out));
    QVERIFY(!fs::exists(stages_recipe_path(out)));
    for (const auto& entry : fs::directory_iterator(shelf()))
      QVERIFY2(entry.path().filename().string().find("stopped") == std::string::npos,
               entry.path().c_str());
  }
};

QTEST_APPLESS_MAIN(TestCompose)
#include "test_compose.moc"
