// SPDX-License-Identifier: GPL-3.0-or-later
// What every family's modules answer when they are asked what a training step costs. A family whose
// new block forgets one of its products is caught here: what hangs on it must be counted.
#include <QtTest>

#include <algorithm>
#include <filesystem>
#include <map>

#include "engine/models/cost.h"
#include "engine/models/model_summary.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

using Trained = std::vector<std::pair<std::string, TrainedShare>>;

Pass pass() {
  Pass pass;
  pass.tokens = 96, pass.labels = 40;
  pass.lengths = {48, 48};
  pass.rows = rows_shape(pass.lengths, true);
  pass.source_lengths = {40, 30};  // read by encoders of models that write
  pass.pictures = {2, 2, 0, 2 * 3 * 32 * 32, 8};
  pass.pictures.patches = 32;  // read by towers that take patches
  return pass;
}

std::int64_t kept(const PassCost& cost) {
  std::int64_t bytes = 0;
  for (const Stage& stage : cost.stages) bytes += stage.kept;
  return bytes;
}

bool in_layer(const std::string& name) {
  return name.find("layers.") != std::string::npos || name.find("blocks.") != std::string::npos ||
         name.find("layer.") != std::string::npos || name.find(".h.") != std::string::npos;
}

/// What a row comes to once: its pooled state and what is said of that, ClipCap's picture.
bool of_a_row(const std::string& name) {
  for (const char* part :
       {"pooler.dense", "_itc", "seq_relationship", "answer_head", "visual_projection",
        "clip_project.linear", "clip_project.model", "vision_tower.global_attention.proj"})
    if (name.find(part) != std::string::npos) return true;
  return false;
}

}  // namespace

class TestCost : public QObject {
  Q_OBJECT

 private slots:
  void every_family_answers_data() {
    QTest::addColumn<QString>("folder");
    const fs::path families = fs::path(LUTHIER_TEST_DATA) / "models/families";
    for (const auto& entry : fs::directory_iterator(families))
      QTest::newRow(entry.path().filename().c_str()) << QString(entry.path().c_str());
  }
  void every_family_answers() {
    QFETCH(QString, folder);
    const auto summary = summarize_model(folder.toStdString());
    QVERIFY2(summary.ok(), summary ? "" : summary.error().sentence().c_str());
    QVERIFY(summary->cost);

    // Nothing trains: what is kept grows with the tokens alone, and nothing has a gradient.
    const PassCost still = summary->cost->of(pass(), {});
    for (const Stage& stage : still.stages) QCOMPARE(stage.gradients, 0);
    QCOMPARE(still.unreached, 0);
    QVERIFY(!still.head.weight_gradient && !still.head.plugged);

    Trained all, whole;
    for (const ModuleSummary& module : summary->modules) {
      if (module.type != "Linear") continue;
      all.emplace_back(module.name, TrainedShare{true, false, 8, 4});
      whole.emplace_back(module.name, TrainedShare{true, true, module.parameters});
    }
    if (all.empty()) {  // convolutions alone, which train whole
      std::int64_t numbers = 0, gradients = 0;
      for (const ModuleSummary& module : summary->modules) {
        if (module.type != "SquareConv2d" && module.type != "BatchNorm2d") continue;
        whole.emplace_back(module.name, TrainedShare{true, true, module.parameters});
        numbers += module.parameters;
      }
      const PassCost trained = summary->cost->of(pass(), whole);
      for (const Stage& stage : trained.stages) gradients += stage.gradients;
      QVERIFY(numbers > 0 && kept(trained) > kept(still));
      QCOMPARE(gradients, numbers * 4);
      return;
    }
    const PassCost base = summary->cost->of(pass(), all);
    QVERIFY(kept(base) > kept(still));
    const bool heads = !summary->head.empty();  // two towers have no vocabulary to choose from
    QVERIFY(base.head.plugged == heads && !base.head.weight_gradient);
    QVERIFY(summary->cost->of(pass(), whole).head.weight_gradient == heads);

    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string& name = all[i].first;
      Trained more = all;
      more[i].second.row_numbers += 1000;
      const PassCost cost = summary->cost->of(pass(), more);
      const bool alone = summary->cost->of(pass(), {all[i]}).unreached > 0;
      // What hangs on Gemma 3n's corrections is passed by in training, as in transformers.
      const bool passed_by = name.ends_with("altup.correction_coefs");
      // No gradient arrives, or the loss keeps it: that of Idefics' additional words, too.
      if (alone || passed_by || name == summary->head || name == "lm_head.additional_fc") {
        QCOMPARE(kept(cost), kept(base));
        continue;
      }
      // of eight tokens of pictures (but for what only ends each of the two), or of the two rows'
      // points where they come to one each
      const int ends = summary->model_type == "deepseek_ocr2" ? 2 : 0;
      const bool of_points = !heads || of_a_row(name);
      // EVE's class token asks once for all pictures.
      const bool once = name.find("vision_tower.global_attention.q") != std::string::npos;
      // (But for what the allocator rounds up to, where it is as little.)
      const int wanted = once ? 990 : 1000 * (of_points ? 2 : 8 - ends);
      QVERIFY2(kept(cost) >= kept(base) + 4 * wanted, name.c_str());
    }

    // Gradients of the layers grow as their backwards are done.
    std::int64_t of_layers = 0, of_stages = 0;
    for (const auto& [name, share] : all) {
      if (in_layer(name) && summary->cost->of(pass(), {{name, share}}).unreached == 0)
        of_layers += share.parameters * 4;
    }
    for (const Stage& stage : base.stages) of_stages += stage.gradients;
    QVERIFY(of_layers > 0 && of_stages >= of_layers);
  }

  /// Layers by the delta rule are branches and hold tensors of their own under one name: those
  /// train whole, and what hangs on the branch is something else.
  void branches_with_tensors_are_counted_once() {
    const auto summary =
        summarize_model(fs::path(LUTHIER_TEST_DATA) / "models/families" / "qwen3_5");
    QVERIFY2(summary.ok(), summary ? "" : summary.error().sentence().c_str());
    const std::string name = "model.language_model.layers.0.linear_attn";
    for (const bool whole : {true, false}) {
      const PassCost cost = summary->cost->of(pass(), {{name, TrainedShare{true, whole, 8}}});
      std::int64_t gradients = 0;
      for (const Stage& stage : cost.stages) gradients += stage.gradients;
      QCOMPARE(gradients, std::int64_t{8 * 4});
    }
  }

  /// What hangs on the convolution over a picture's patches, which is a product too: numbers for
  /// each patch, and what its backward makes again.
  void convolutions_are_counted_data() { every_family_answers_data(); }
  void convolutions_are_counted() {
    QFETCH(QString, folder);
    const auto summary = summarize_model(folder.toStdString());
    QVERIFY2(summary.ok(), summary ? "" : summary.error().sentence().c_str());
    const auto work = [](const PassCost& cost) {
      std::int64_t bytes = 0;
      for (const Stage& stage : cost.stages)
        for (const Stage::Moment& moment : stage.moments) bytes = std::max(bytes, moment.work);
      return bytes;
    };
    const std::int64_t much = 1 << 24;  // more than the layers' own temporaries
    for (const ModuleSummary& module : summary->modules) {
      if (module.type != "Conv2d" && module.type != "Conv3d") continue;
      TrainedShare share{true, false, 8, 4};
      const PassCost base = summary->cost->of(pass(), {{module.name, share}});
      if (base.unreached > 0) continue;  // CLIP stands still under CLIPSeg
      share.row_numbers += 1000;
      const PassCost rows = summary->cost->of(pass(), {{module.name, share}});
      std::int64_t window = 1;
      for (std::size_t i = 1; i < module.shape.size(); ++i) window *= module.shape[i];
      // Behind a tower the windows are blocks of its patches; behind SAM's layers each of 6 by 6
      // patches a frame, then of every second one and of every second of those.
      // A stage of DaViT's halves the sides of what the one before gives. EVE takes patches.
      static const std::map<std::string, std::int64_t> of_states{
          {"vision_encoder.neck.conv1", 50},   {"vision_encoder.neck.conv2", 50},
          {"sam_encoder.neck.conv1", 72},      {"sam_encoder.neck.conv2", 72},
          {"sam_encoder.proj.conv1", 18},      {"sam_encoder.proj.conv2", 8},
          {"featurizer.patch_embed.proj", 18}, {"vision_tower.convs.1.conv", 32},
          {"vision_tower.patch_embedding", 32}};
      const bool blocks = module.part == "projector";
      std::int64_t windows = blocks ? pass().pictures.patches / (module.shape[2] * module.shape[3])
                                    : pass().pictures.numbers / window;
      for (const auto& [end, count] : of_states)
        if (module.name.ends_with(end)) windows = count;
      // Of convolutions behind convolutions each has its own number.
      if (module.name.find("timm_model") != std::string::npos) windows = 1;
      QVERIFY(windows >= 1);
      // But for what the allocator rounds up to.
      QVERIFY2(
          kept(rows) > kept(base) + 990 * 4 * windows,
          qPrintable(
              QString("%1: %2").arg(module.name.c_str()).arg((kept(rows) - kept(base)) / 4000)));
      share.row_numbers -= 1000, share.made_floats = much;
      const PassCost made = summary->cost->of(pass(), {{module.name, share}});
      QCOMPARE(kept(made), kept(base));
      // Beside it stands no more than did before, and each more of it counts.
      QVERIFY(work(made) >= 4 * much && work(made) <= 4 * much + work(base));
      share.made_floats = 2 * much;
      const PassCost twice = summary->cost->of(pass(), {{module.name, share}});
      QCOMPARE(work(twice) - work(made), 4 * much);
      share.made_floats = 0, share.keeps_input = false;  // it scales results
      const std::int64_t without = kept(summary->cost->of(pass(), {{module.name, share}}));
      // Where it is pixel_values itself, it stands with what a batch is.
      QVERIFY(summary->model_type == "eve" ? without == kept(base) : without < kept(base));
    }
  }

  void nothing_is_kept_below_what_trains() {
    const auto summary = summarize_model(fs::path(LUTHIER_TEST_DATA) / "models/families" / "llava");
    QVERIFY(summary.ok());
    const auto layer = [&](int number) {
      return summary->cost->of(
          pass(), {{"model.language_model.layers." + std::to_string(number) + ".mlp.up_proj",
                    TrainedShare{true, false, 100, 4}}});
    };
    const PassCost first = layer(0), last = layer(1);
    const std::size_t layers = first.stages.size() - 3;  // before the first layer
    QVERIFY(first.stages[layers].kept > 0);
    QCOMPARE(last.stages[layers].kept, 0);
    QVERIFY(first.stages[layers + 1].kept > last.stages[layers + 1].kept);

    Pass again = pass();
    again.terms.checkpointing = true;
    const PassCost recomputed = summary->cost->of(
        again, {{"model.language_model.layers.0.mlp.up_proj", TrainedShare{true, false, 100, 4}}});
    QVERIFY(kept(recomputed) < kept(first));
  }

  /// The last layer makes no states that the loss does not ask for, unless something in it looks at
  /// all of them or features are added behind it.
  void fewer_states_are_counted_data() {
    QTest::addColumn<QString>("family");
    QTest::addColumn<bool>("fewer");
    QTest::newRow("llava") << "llava" << true;
    QTest::newRow("gemma3") << "gemma3" << true;
    QTest::newRow("experts") << "qwen3_vl_moe" << false;
  }
  void fewer_states_are_counted() {
    QFETCH(QString, family);
    QFETCH(bool, fewer);
    const fs::path families = fs::path(LUTHIER_TEST_DATA) / "models/families";
    const auto summary = summarize_model(families / family.toStdString());
    QVERIFY2(summary.ok(), summary ? "" : summary.error().sentence().c_str());
    Trained trained;
    for (const ModuleSummary& module : summary->modules)
      if (module.type == "Linear" && module.part == "language_model")
        trained.emplace_back(module.name, TrainedShare{true, false, 8, 4});
    Pass some = pass();
    some.asked = 40;
    const PassCost all = summary->cost->of(pass(), trained),
                   asked = summary->cost->of(some, trained);
    const std::size_t last = all.stages.size() - 2;  // before the final norm
    QCOMPARE(asked.stages[last - 1].kept, all.stages[last - 1].kept);
    QVERIFY((asked.stages[last].kept < all.stages[last].kept) == fewer);
    QVERIFY(asked.stages[last + 1].kept < all.stages[last + 1].kept);

    for (auto& [name, share] : trained) share.row_by_row = false;
    QCOMPARE(summary->cost->of(some, trained).stages[last].kept, all.stages[last].kept);
  }

  void layers_past_the_last_state_get_no_gradient() {
    const auto summary = summarize_model(fs::path(LUTHIER_TEST_DATA) / "models/families" / "llava");
    QVERIFY(summary.ok());
    Trained trained;
    std::int64_t past = 0;
    for (const ModuleSummary& module : summary->modules) {
      trained.emplace_back(module.name, TrainedShare{true, true, module.parameters});
      if (module.name.find("vision_tower.encoder.layers.2.") != std::string::npos ||
          module.name.ends_with("post_layernorm"))
        past += module.parameters;  // vision_feature_layer is -2
    }
    QVERIFY(past > 0);
    QCOMPARE(summary->cost->of(pass(), trained).unreached, past);
  }
};

QTEST_GUILESS_MAIN(TestCost)
#include "test_cost.moc"
