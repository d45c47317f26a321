// SPDX-License-Identifier: GPL-3.0-or-later
// By how much the loss that keeps experts evenly used counts, by what the recipe says and what the
// checkpoint does; that a weight for experts that are not there is refused by its field.
// tests/parity compares the loss itself with TRL.
#include "engine/objectives/router_loss.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

std::shared_ptr<Model> model_of(const std::string& type, const Json& of_text = Json::object()) {
  const fs::path folder = fs::path(LUTHIER_TEST_DATA) / "models/families" / type;
  Json config = *read_json_file(folder / "config.json");
  Json& text = config.contains("text_config") ? config["text_config"] : config;
  text.update(of_text);
  const Family& family = **find_family(config, "config.json");
  return family.read(config, folder).take().made(torch::TensorOptions().device(torch::kMeta));
}

}  // namespace

class TestRouterLoss : public QObject {
  Q_OBJECT

 private slots:
  void counts_as_recipe_or_checkpoint_say_data() {
    QTest::addColumn<QString>("objective");
    for (const char* objective : {"sft", "dpo"}) QTest::newRow(objective) << objective;
  }
  void counts_as_recipe_or_checkpoint_say() {
    QFETCH(QString, objective);
    const std::string name = objective.toStdString(), field = name + ".router_aux_loss_coef";
    const auto weight = [&](const std::string& asked, Model& model) {
      std::vector<std::string> settings{"objective=" + name};
      if (!asked.empty()) settings.push_back(field + "=" + asked);
      return RouterLoss(tiny_.recipe("run", settings), field.c_str()).weight_of(model);
    };
    const auto always = model_of("qwen3_5_moe"), silent = model_of("qwen3_vl_moe"),
               told = model_of("qwen3_vl_moe", {{"output_router_logits", false}}),
               own = model_of("qwen3_5_moe_text", {{"router_aux_loss_coef", 0.25}}),
               plain = model_of("qwen3_5_text"),
               without = model_of("deepseek_ocr2", {{"output_router_logits", true}});
    QCOMPARE(weight("", *always), 0.001);
    QCOMPARE(weight("", *silent), 0.0);
    QCOMPARE(weight("", *told), 0.001);
    QCOMPARE(weight("", *own), 0.25);
    QCOMPARE(weight("", *plain), 0.0);
    QCOMPARE(weight("", *without), 0.0);  // its experts are held to no evenness
    for (const auto& model : {always, silent, told, own}) {
      QCOMPARE(weight("0.5", *model), 0.5);
      QCOMPARE(weight("0", *model), 0.0);
    }
  }

  void a_class_that_speaks_of_it_need_not_be_told() {
    const fs::path folder = fs::path(LUTHIER_TEST_DATA) / "models/families/qwen3_5_moe";
    Json config = *read_json_file(folder / "config.json");
    for (const char* key : {"output_router_logits", "router_aux_loss_coef"})
      config["text_config"].erase(key);
    const auto model = (*find_family(config, "config.json"))
                           ->read(config, folder)
                           .take()
                           .made(torch::TensorOptions().device(torch::kMeta));
    QVERIFY(model->causal()->experts()->tells_routing);
    QCOMPARE(model->causal()->experts()->router_aux_loss_coef, 0.001);
  }

  void experts_that_are_not_there_are_refused() {
    for (const std::string name : {"sft", "dpo"}) {
      const std::string field = name + ".router_aux_loss_coef";
      const auto fits = [&](const std::string& asked, const std::string& type) {
        const auto objective =
            make_objective(tiny_.recipe("run", {"objective=" + name, field + "=" + asked}));
        if (!objective) qFatal("%s", objective.error().sentence().c_str());
        LoadedModel base;
        base.model = model_of(type);
        return (*objective)->fits(base);
      };
      const Status refused = fits("0.5", "qwen3_5_text");
      QVERIFY(!refused);
      QCOMPARE(refused.error().where, field);
      QVERIFY(!fits("0.5", "deepseek_ocr2"));  // transformers' class knows no such loss
      QVERIFY(fits("0", "qwen3_5_text"));
      QVERIFY(fits("0.5", "qwen3_5_moe_text"));
    }
  }

  void joins_as_a_mean_beside_the_sum() {
    const auto model = model_of("qwen3_5_moe");
    const RouterLoss loss(tiny_.recipe("run", {"sft.router_aux_loss_coef=0.5"}),
                          "sft.router_aux_loss_coef");
    LossSum made;
    loss.join(made, *model, nullptr);
    QVERIFY(!made.beside.defined() && made.figures.empty());
    const auto notes = std::make_shared<RouterNotes>();
    notes->tokens = 2;
    notes->layers.push_back({torch::tensor({1.5f, 0.5f}), torch::tensor({2.f, 0.f})});
    loss.join(made, *model, notes);
    // Two experts: 2 · (1 · 0.75 + 0 · 0.25).
    QCOMPARE(made.figures.at("aux_loss").item<float>(), 1.5f);
    QCOMPARE(made.beside.item<float>(), 0.75f);
  }

 private:
  TinyRun tiny_;
};

QTEST_GUILESS_MAIN(TestRouterLoss)
#include "test_router_loss.moc"
