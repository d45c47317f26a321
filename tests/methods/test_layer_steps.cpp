// SPDX-License-Identifier: GPL-3.0-or-later
// Which layers train, and from which step on, by names alone.
#include "engine/methods/layer_steps.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

using namespace luthier;

namespace {

/// Of a picture model: two layers in the tower, three in the decoder.
const std::vector<NamedPart> kModel{
    {"model.vision_tower.embeddings.patch_embedding.weight", "vision_tower"},
    {"model.vision_tower.encoder.layers.0.mlp.fc1.weight", "vision_tower"},
    {"model.vision_tower.encoder.layers.1.mlp.fc1.weight", "vision_tower"},
    {"model.vision_tower.post_layernorm.weight", "vision_tower"},
    {"model.multi_modal_projector.linear_1.weight", "projector"},
    {"model.language_model.embed_tokens.weight", "language_model"},
    {"model.language_model.layers.0.mlp.up_proj.weight", "language_model"},
    {"model.language_model.layers.1.mlp.up_proj.weight", "language_model"},
    {"model.language_model.layers.2.mlp.up_proj.weight", "language_model"},
    {"model.language_model.norm.weight", "language_model"},
    {"lm_head.weight", "language_model"}};

Recipe recipe_of(std::vector<std::string> settings) {
  settings.insert(settings.begin(), {"strategy=freeze", "model=m", "dataset=d", "output_dir=o"});
  auto recipe = parse_recipe("", "test", settings);
  if (!recipe) qFatal("%s", recipe.error().sentence().c_str());
  return recipe.take();
}

}  // namespace

class TestLayerSteps : public QObject {
  Q_OBJECT

 private slots:
  void steps_data() {
    QTest::addColumn<QStringList>("settings");
    QTest::addColumn<QList<int>>("wanted");  // -1: never
    const QString tower = "freeze.vision_tower=false", text = "freeze.language_model=false";
    QTest::newRow("parts") << QStringList{text}
                           << QList<int>{-1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0};
    QTest::newRow("last two") << QStringList{text, "freeze.language_model_last_layers=2"}
                              << QList<int>{-1, -1, -1, -1, 0, -1, -1, 0, 0, 0, 0};
    QTest::newRow("all of them") << QStringList{text, "freeze.language_model_last_layers=3"}
                                 << QList<int>{-1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0};
    QTest::newRow("of the tower")
        << QStringList{tower, "freeze.projector=true", "freeze.vision_tower_last_layers=1"}
        << QList<int>{-1, -1, 0, 0, -1, -1, -1, -1, -1, -1, -1};
    QTest::newRow("gradual") << QStringList{text, "freeze.unfreeze_steps=10"}
                             << QList<int>{-1, -1, -1, -1, 0, 20, 20, 10, 0, 0, 0};
    QTest::newRow("gradual from two on")
        << QStringList{text, tower, "freeze.unfreeze_steps=5",
                       "freeze.language_model_last_layers=2"}
        << QList<int>{5, 5, 0, 0, 0, 5, 5, 0, 0, 0, 0};
  }
  void steps() {
    QFETCH(QStringList, settings);
    QFETCH(QList<int>, wanted);
    std::vector<std::string> given;
    for (const QString& each : settings) given.push_back(each.toStdString());
    const auto steps = layer_steps(kModel, recipe_of(given));
    QVERIFY2(steps, steps ? "" : steps.error().sentence().c_str());
    for (std::size_t i = 0; i < kModel.size(); ++i)
      QVERIFY2(steps.value()[i] == wanted[static_cast<qsizetype>(i)], kModel[i].name.c_str());
  }

  /// Both stacks of a reader and a writer end in their last layers.
  void two_stacks() {
    std::vector<NamedPart> model{{"shared.weight", "language_model"}};
    for (const char* stack : {"encoder", "decoder"}) {
      for (int i = 0; i < 3; ++i)
        model.push_back({std::string(stack) + ".block." + std::to_string(i) + ".layer.0.q.weight",
                         "language_model"});
      model.push_back({std::string(stack) + ".final_layer_norm.weight", "language_model"});
    }
    const auto steps = layer_steps(
        model, recipe_of({"freeze.language_model=false", "freeze.language_model_last_layers=1"}));
    QVERIFY(steps);
    QCOMPARE(steps.value(), (FirstSteps{-1, -1, -1, 0, 0, -1, -1, 0, 0}));
  }

  void refused() {
    const auto many = layer_steps(
        kModel, recipe_of({"freeze.language_model=false", "freeze.language_model_last_layers=4"}));
    QVERIFY(!many && many.error().what.find("3 layers") != std::string::npos);
    for (const char* lone :
         {"freeze.language_model_last_layers=1", "freeze.vision_tower_last_layers=1",
          "freeze.unfreeze_steps=3"}) {
      const auto checked = check_recipe(recipe_of({lone}));
      QVERIFY2(!checked, lone);
    }
    const auto other = parse_recipe("strategy: lora\nfreeze: {unfreeze_steps: 3}\n", "r");
    QVERIFY(!other && other.error().sentence().find("freeze.unfreeze_steps") != std::string::npos);
  }
};

QTEST_GUILESS_MAIN(TestLayerSteps)
#include "test_layer_steps.moc"
