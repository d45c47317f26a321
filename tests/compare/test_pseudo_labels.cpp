// SPDX-License-Identifier: GPL-3.0-or-later
// Rows answered for training: how sure an answer is, what is kept, and that what is written is a
// row that training reads, with where it came from.
#include "engine/compare/pseudo_labels.h"
#include "engine/data/dataset.h"
#include "engine/data/row_writing.h"
#include "engine/models/loaded_model.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include <cmath>

#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

class Labelling {
 public:
  Labelling() {
    LoadOptions load;
    load.device = "cpu";
    load.dtype = "float32";
    load.random_weights = true;
    auto loaded = load_model(root() / "model", load);
    if (!loaded) qFatal("%s", loaded.error().sentence().c_str());
    model = std::make_unique<LoadedModel>(loaded.take());
    auto read = read_samples({root() / "eval.jsonl"});
    if (!read) qFatal("%s", read.error().sentence().c_str());
    samples = read.take();
    options.decoding.max_new_tokens = 5;
  }
  fs::path root() const { return tiny_.root(); }
  auto label(const std::function<bool(std::size_t, std::size_t)>& progress = {}) const {
    return pseudo_labels(*model, {nullptr, model->processor}, samples, options, progress);
  }

  std::unique_ptr<LoadedModel> model;
  std::vector<Sample> samples;
  PseudoLabelOptions options;

 private:
  TinyRun tiny_;
};

}  // namespace

class TestPseudoLabels : public QObject {
  Q_OBJECT

 private slots:
  void how_sure_is_what_compare_says() {
    const Labelling tiny;
    const auto labels = tiny.label();
    QVERIFY2(labels.ok(), labels.ok() ? "" : labels.error().sentence().c_str());
    QCOMPARE(labels->size(), std::size_t(3));
    LoadedModel& model = *tiny.model;
    const auto compared = compare_adapters(model, {}, tiny.samples, tiny.options.decoding);
    QVERIFY(compared.ok());
    for (std::size_t i = 0; i < 3; ++i) {
      const ComparisonAnswer& answer = compared->rows[i].answers[0];
      QVERIFY(std::abs(labels->at(i).confidence - answer.confidence()) < 1e-6);
      QCOMPARE(labels->at(i).ended, answer.finish == "eos");
      QVERIFY(!labels->at(i).kept(0) || answer.finish == "eos");
    }
  }

  void what_is_cut_empty_or_unsure_is_not_kept() {
    QVERIFY((PseudoLabel{"yes", 0.9, true}).kept(0.9));
    QVERIFY(!(PseudoLabel{"yes", 0.89, true}).kept(0.9));
    QVERIFY(!(PseudoLabel{"yes", 0.99, false}).kept(0.9));
    QVERIFY(!(PseudoLabel{"", 0.99, true}).kept(0.9));
  }

  void agreement_is_a_share_of_the_drawn_answers() {
    Labelling tiny;
    tiny.options.samples = 4;
    const auto greedy = tiny.label();
    QVERIFY(!greedy.ok());
    QVERIFY(greedy.error().where == "--temperature");
    tiny.options.decoding.temperature = 1e-4;  // as good as greedy: all agree
    std::size_t seen = 0, all = 0;
    const auto labels = tiny.label([&](std::size_t done, std::size_t total) {
      seen = std::max(seen, done);
      all = total;
      return true;
    });
    QVERIFY(labels.ok());
    QCOMPARE(seen, std::size_t(12));
    QCOMPARE(all, std::size_t(12));
    for (const PseudoLabel& label : *labels) QCOMPARE(label.confidence, label.ended ? 1.0 : 0.0);
    tiny.options.decoding.temperature = 2;
    const auto drawn = tiny.label();
    QVERIFY(drawn.ok());
    for (const PseudoLabel& label : *drawn)
      QCOMPARE(label.confidence * 4, std::round(label.confidence * 4));
    const auto again = tiny.label();
    QVERIFY(again.ok());
    for (std::size_t i = 0; i < 3; ++i) QCOMPARE(again->at(i).answer, drawn->at(i).answer);
  }

  void what_is_written_is_a_row_to_train_on() {
    const Labelling tiny;
    const Json row = pseudo_row(tiny.samples[1], {"A fish.", 0.93, true}, tiny.options,
                                {{"model", "base"}, {"adapter", nullptr}}, tiny.root() / "out");
    QCOMPARE(row["provenance"]["confidence"].get<double>(), 0.93);
    QCOMPARE(row["provenance"]["by"].get<std::string>(), std::string("mean_token_probability"));
    QCOMPARE(row["provenance"]["from"].get<std::string>(), std::string("eval.jsonl: row 2"));
    QCOMPARE(row["provenance"]["model"].get<std::string>(), std::string("base"));
    fs::create_directories(tiny.root() / "out");
    QVERIFY(write_rows({row}, tiny.root() / "out/rows.jsonl").ok());
    const auto dataset = Dataset::open({tiny.root() / "out/rows.jsonl"});
    QVERIFY(dataset.ok());
    const auto report = check_dataset(**dataset, *tiny.model->processor, LossOn::Completion, 0);
    QVERIFY(report.ok());
    QCOMPARE(report->usable, std::size_t(1));
    QVERIFY2(report->findings.empty(),
             report->findings.empty() ? "" : report->findings.front().message.c_str());
    const auto read = (*dataset)->read(0);
    QVERIFY(read.ok());
    QCOMPARE(read->messages.size(), std::size_t(2));  // the answer that stood there has given way
    QCOMPARE(read->messages[1].content[0].text, std::string("A fish."));
  }

  void a_stop_is_a_stop() {
    const Labelling tiny;
    const auto stopped = tiny.label([](std::size_t, std::size_t) { return false; });
    QVERIFY(!stopped.ok());
    QCOMPARE(stopped.error().code, ErrorCode::Interrupted);
  }
};

QTEST_GUILESS_MAIN(TestPseudoLabels)
#include "test_pseudo_labels.moc"
