// SPDX-License-Identifier: GPL-3.0-or-later
// What only passes through layers is in the forecast: where nothing trains but what stands behind
// them, they keep nothing for a backward, and a step's most memory may be that of their forward.
// Within a twentieth, as tests/forecast measures.
#include <fstream>

#include "engine/forecast/trained.h"
#include "engine/models/model_summary.h"
#include "engine/objectives/objective.h"
#include "tests/pretend/pretend.h"
#include "tests/pretend/tuned.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;

class TestUnreached : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    pretend::start();
  }

  void the_forecast_holds_data() {
    QTest::addColumn<QString>("family");
    QTest::addColumn<QString>("behind");
    QTest::newRow("llama") << "llama"
                           << ".*lm_head";
    QTest::newRow("bert") << "bert"
                          << R"(.*transform\.dense)";
  }
  void the_forecast_holds() {
    QFETCH(QString, family);
    QFETCH(QString, behind);
    constexpr std::int64_t kLength = 120;
    TinyModel model = pretend::tiny(family.toStdString(), {kLength, kLength, kLength, kLength});
    model.config["hidden_size"] = 128, model.config["intermediate_size"] = 512;
    model.config["num_hidden_layers"] = 4, model.config["max_position_embeddings"] = 256;
    const std::vector<std::string> settings{"strategy=lora",
                                            "adapter.r=4",
                                            "adapter.target_modules=" + behind.toStdString(),
                                            "training.gradient_checkpointing=false",
                                            "training.gradient_accumulation_steps=1",
                                            "objective=" + model.objective};
    const Recipe recipe = recipe_without_files(settings).take();
    const auto objective = make_objective(recipe).take();
    BatchShape batch;
    MicroBatch rows = tiny_rows(model);
    std::int64_t labels = 0;
    for (EncodedRow& row : rows.encoded) {
      Example& example = row.sequences.front();
      for (std::size_t i = 0; i < example.labels.size(); ++i)
        if (i % 8 != 0) example.labels[i] = kIgnoreLabel;
      batch.lengths.push_back(static_cast<std::int64_t>(example.input_ids.size()));
      batch.tokens += batch.lengths.back();
      labels += count_labels(example);
    }
    batch.batch_size = static_cast<std::int64_t>(rows.encoded.size());
    for (batch.labels = labels; objective->labels_used(batch.labels) < labels;) ++batch.labels;

    std::int64_t peak = 0;
    {
      const auto tuning = pretend::tuned(model, pretend::device(), settings);
      for (std::uint64_t turn = 0; turn < 2; ++turn) {
        pretend::reset_peak();
        tuning->micro_batch(rows, turn);  // as they are: nothing more is covered
        tuning->step(1e-3);
      }
      peak = pretend::peak_bytes();
    }
    std::ofstream(folder_.filePath("config.json").toStdString()) << model.config.dump();
    StepTerms terms;
    terms.cpu = false, terms.flash = true;
    const MemoryParts parts =
        estimate(summarize_model(folder_.path().toStdString()).take(), recipe, batch, terms)
            .take()
            .parts;
    const double ratio = static_cast<double>(parts.total()) / static_cast<double>(peak);
    qInfo("forecast over the peak %.3f (activations %.2f MB, workspace %.2f MB of %.2f MB)", ratio,
          static_cast<double>(parts.activations) / 1e6, static_cast<double>(parts.workspace) / 1e6,
          static_cast<double>(peak) / 1e6);
    QVERIFY2(ratio > 0.95 && ratio < 1.05, qPrintable(QString::number(ratio)));
  }

 private:
  QTemporaryDir folder_;
};

QTEST_GUILESS_MAIN(TestUnreached)
#include "test_unreached.moc"
