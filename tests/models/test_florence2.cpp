// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of Florence-2: refusals of configurations and processors that do not hold
// together, task words, rows together as alone, tokens one by one as all at once, features that
// were kept, and whose gradients a step counts.
#include "engine/check/tiny_models.h"
#include "engine/models/cost.h"
#include "engine/models/families.h"
#include "engine/models/florence2/task_words.h"
#include "engine/models/model_summary.h"

#include <torch/csrc/autograd/autograd.h>

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include "tests/models/family_files.h"

using namespace luthier;
using torch::Tensor;

namespace {

Json config_of() {
  const auto tiny = tiny_model(florence2_family);
  return tiny->config;
}

Result<Plan> read(const Json& patch) {
  return florence2_family.read(test::merged(config_of(), patch), "somewhere");
}

std::vector<Example> examples() {
  std::vector<Example> found;
  MicroBatch rows = tiny_rows(tiny_model(florence2_family).take());
  for (EncodedRow& row : rows.encoded) found.push_back(std::move(row.sequences.front()));
  return found;
}

double differ(const Tensor& got, const Tensor& wanted) {
  return (got - wanted).abs().max().item<double>() /
         std::max(wanted.abs().max().item<double>(), 1e-30);
}

}  // namespace

class TestFlorence2 : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* part, const char* patch, const char* field) {
      std::string whole = patch;
      if (*part) whole = std::string("{\"") + part + "\": " + patch + "}";
      QTest::newRow(whole.c_str())
          << QString::fromStdString(whole)
          << QString(*part ? (std::string(part) + ": " + field).c_str() : field);
    };
    add("", R"({"vision_config": 3})", "vision_config");
    add("", R"({"text_config": []})", "text_config");
    add("", R"({"image_token_id": 160})", "image_token_id");
    add("", R"({"image_token_id": null})", "image_token_id");  // 51289
    add("", R"({"tie_word_embeddings": 0})", "tie_word_embeddings");
    add("vision_config", R"({"model_type": "davit"})", "model_type");
    add("vision_config", R"({"embed_dim": []})", "embed_dim");
    add("vision_config", R"({"embed_dim": [32, 48, 65]})", "num_heads");
    add("vision_config", R"({"embed_dim": [32, 48, "64"]})", "embed_dim");
    add("vision_config", R"({"embed_dim": [32, 48]})", "num_heads");
    add("vision_config", R"({"embed_dim": [32, 48, 63], "num_heads": [2, 3, 3],
                             "num_groups": [2, 3, 3]})",
        "embed_dim");
    add("vision_config", R"({"depths": [1]})", "depths");
    add("vision_config", R"({"depths": [1, -1, 1]})", "depths");
    add("vision_config", R"({"patch_size": [7, 0, 3]})", "patch_size");
    add("vision_config", R"({"patch_stride": [4, 0, 2]})", "patch_stride");
    add("vision_config", R"({"patch_padding": [-1, 1, 1]})", "patch_padding");
    add("vision_config", R"({"patch_prenorm": [false, true]})", "patch_prenorm");
    add("vision_config", R"({"patch_prenorm": [0, 1, 1]})", "patch_prenorm");
    add("vision_config", R"({"num_groups": [2, 5, 4]})", "num_groups");
    add("vision_config", R"({"window_size": 0})", "window_size");
    add("vision_config", R"({"in_channels": 1})", "in_channels");
    add("vision_config", R"({"mlp_ratio": 0.001})", "mlp_ratio");
    add("vision_config", R"({"mlp_ratio": -4})", "mlp_ratio");
    add("vision_config", R"({"qkv_bias": 1})", "qkv_bias");
    add("vision_config", R"({"activation_function": "softsign"})", "activation_function");
    add("vision_config", R"({"projection_dim": 60})", "projection_dim");
    add("vision_config", R"({"max_position_embeddings": 0})", "max_position_embeddings");
    add("text_config", R"({"model_type": "t5"})", "model_type");
    add("text_config", R"({"d_model": 0})", "d_model");
    add("text_config", R"({"encoder_attention_heads": 5})", "encoder_attention_heads");
    add("text_config", R"({"decoder_attention_heads": 0})", "decoder_attention_heads");
    add("text_config", R"({"decoder_layers": 0})", "decoder_layers");
    add("text_config", R"({"decoder_start_token_id": 160})", "decoder_start_token_id");
    add("text_config", R"({"encoder_layerdrop": 0.1})", "encoder_layerdrop");
    add("text_config", R"({"scale_embedding": 1})", "scale_embedding");
    add("text_config", R"({"tie_word_embeddings": false})", "tie_word_embeddings");
    add("text_config", R"({"activation_function": "wide"})", "activation_function");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto plan = read(Json::parse(patch.toStdString()));
    QVERIFY(!plan);
    QCOMPARE(QString::fromStdString(plan.error().where), "somewhere/config.json: " + field);
  }

  void pictures_that_do_not_fit_are_refused_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    QTest::newRow("another count") << R"({"image_processor": {"image_seq_length": 25}})"
                                   << "image_seq_length";
    QTest::newRow("sizes of their own")
        << R"({"image_processor": {"size": {"height": null, "width": null, "shortest_edge": 40}}})"
        << "size";
    QTest::newRow("too many places")
        << R"({"image_processor": {"size": {"height": 40, "width": 1000}}})"
        << "size";
  }
  void pictures_that_do_not_fit_are_refused() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    QTemporaryDir scratch;
    const std::filesystem::path folder =
        std::filesystem::path(scratch.path().toStdString()) / "model";
    test::write_changed(florence2_family, folder, "processor_config.json",
                        Json::parse(patch.toStdString()));
    const auto tokens = test::tokens_of(florence2_family, folder);
    QVERIFY(!tokens);
    QVERIFY2(tokens.error().where.ends_with(field.toStdString()), tokens.error().where.c_str());
  }

  void a_picture_is_written_as_many_marks() {
    const auto tokens = test::tokens_of(florence2_family, test::files_of(florence2_family));
    QVERIFY2(tokens, tokens ? "" : tokens.error().sentence().c_str());
    QCOMPARE(tokens->mark, std::string("<image>"));
    QCOMPARE(tokens->expand({}).size(), 26 * tokens->mark.size());
    QVERIFY(tokens->form == RowForm::SourceAnswer);
    QCOMPARE(tokens->answer_start, TokenId{2});
  }

  void task_words_are_sentences_data() {
    QTest::addColumn<QString>("asked");
    QTest::addColumn<QString>("sentence");
    QTest::newRow("whole") << "<CAPTION>"
                           << "What does the image describe?";
    QTest::newRow("a longer word") << "<MORE_DETAILED_CAPTION>"
                                   << "Describe with a paragraph what is shown in the image.";
    QTest::newRow("about") << "<CAPTION_TO_PHRASE_GROUNDING> a cat \n"
                           << "Locate the phrases in the caption: a cat";
    QTest::newRow("about, before") << "  the {input} cat<OPEN_VOCABULARY_DETECTION>"
                                   << "Locate the {input} cat in the image.";
    QTest::newRow("about, twice") << "<REGION_TO_OCR>a<REGION_TO_OCR>b"
                                  << "What text is in the region ab?";
    QTest::newRow("about nothing") << "<REGION_TO_CATEGORY>"
                                   << "What is the region ?";
    QTest::newRow("none") << " What is it?\n"
                          << " What is it?\n";
    QTest::newRow("nearly") << "<ocr>"
                            << "<ocr>";
    QTest::newRow("empty") << ""
                           << "";
    QTest::newRow("whole and more") << "<OD> please"
                                    << "";
    QTest::newRow("whole and a space") << "<OCR> "
                                       << "";
  }
  void task_words_are_sentences() {
    QFETCH(QString, asked);
    QFETCH(QString, sentence);
    const auto found = florence2::sentence_of(asked.toStdString());
    if (QString(QTest::currentDataTag()).startsWith("whole and")) {
      QVERIFY(!found);
      return;
    }
    QVERIFY(found);
    QCOMPARE(QString::fromStdString(*found), sentence);
  }

  void rows_together_are_as_alone() {
    const auto model = test::drawn_model(florence2_family, config_of());
    const torch::NoGradGuard no_grad;
    const std::vector<Example> rows = examples();
    const Tensor together = states_before_head(*model, collate(rows));
    std::int64_t at = 0;
    for (const Example& row : rows) {
      const auto length = static_cast<std::int64_t>(row.input_ids.size());
      const Tensor alone = states_before_head(*model, collate({row}));
      QVERIFY(differ(together.slice(0, at, at + length), alone) < 1e-4);
      at += length;
    }
    // What is set aside, and features that were kept, say the same.
    ModelInput input = collate(rows);
    model->prepare(input);
    QVERIFY(differ(states_before_head(*model, input), together) < 1e-6);
    input.tower_features = model->picture_tower()->tower(input);
    input.pixel_values = Tensor();
    QVERIFY(differ(states_before_head(*model, input), together) < 1e-6);
    // And the picture tells.
    input.tower_features = input.tower_features.flip(0);
    QVERIFY(differ(states_before_head(*model, input), together) > 1e-3);
  }

  void tokens_one_by_one_are_as_all_at_once() {
    const auto model = test::drawn_model(florence2_family, config_of());
    const torch::NoGradGuard no_grad;
    const Example row = examples().front();
    const ModelInput input = collate({row});
    const Tensor whole = states_before_head(*model, input);
    SequenceToSequence& able = *model->sequence_to_sequence();
    const RowStates memory = able.encode(input);
    KeyValueCache cache(able.decoder_layers(), whole.size(0));
    for (std::int64_t i = 0; i < whole.size(0); ++i) {
      ModelInput token;
      token.input_ids = input.input_ids.slice(0, i, i + 1);
      token.lengths = {1};
      QVERIFY(differ(able.decode(token, memory, &cache), whole.slice(0, i, i + 1)) < 1e-4);
    }
  }

  void layers_made_again_have_the_same_gradients() {
    const auto model = test::drawn_model(florence2_family, config_of());
    std::vector<Tensor> trained;
    for (auto& parameter : model->parameters()) {
      parameter.set_requires_grad(true);
      trained.push_back(parameter);
    }
    const auto gradients = [&](bool again) {
      model->set_gradient_checkpointing(again);
      // As a run does: what is made again gives its gradients to the parameters themselves.
      states_before_head(*model, collate(examples())).square().sum().backward();
      std::vector<Tensor> found;
      for (Tensor& parameter : trained) {
        found.push_back(parameter.grad());
        parameter.mutable_grad().reset();
      }
      return found;
    };
    const auto kept = gradients(false), made = gradients(true);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      QCOMPARE(kept[i].defined(), made[i].defined());
      if (kept[i].defined() && kept[i].abs().max().item<double>() > 1e-2)
        QVERIFY(differ(made[i], kept[i]) < 1e-4);
    }
  }

  void a_fixed_tower_keeps_its_features_alone() {
    QTemporaryDir scratch;
    std::ofstream((scratch.path() + "/config.json").toStdString()) << config_of().dump();
    const auto summary = summarize_model(scratch.path().toStdString());
    QVERIFY2(summary, summary ? "" : summary.error().sentence().c_str());
    Pass pass;
    pass.tokens = 8, pass.labels = 7, pass.lengths = {8}, pass.rows = rows_shape({8}, true);
    pass.source_lengths = {16};
    pass.pictures.images = pass.pictures.frames = 1, pass.pictures.numbers = 3 * 40 * 40;
    pass.pictures.tokens = 10;
    QCOMPARE(summary->cost->feature_numbers(pass.pictures), std::int64_t{9 * 64});
    const auto sum = [&](const char* module) {
      TrainedShare share;
      share.trains = share.whole = true, share.parameters = 10;
      std::int64_t kept = 0;
      for (const Stage& stage : summary->cost->of(pass, {{module, share}}).stages)
        kept += stage.kept;
      return kept;
    };
    const std::int64_t decoder = sum("model.language_model.decoder.layers.1.fc2"),
                       encoder = sum("model.language_model.encoder.layers.1.fc2"),
                       projector = sum("model.multi_modal_projector.image_projection"),
                       last = sum("model.vision_tower.blocks.2.0.channel_block.ffn.fc2"),
                       first = sum("model.vision_tower.convs.0.conv");
    QVERIFY(decoder < encoder && encoder < projector && projector < last && last < first);
  }
};

QTEST_GUILESS_MAIN(TestFlorence2)
#include "test_florence2.moc"
