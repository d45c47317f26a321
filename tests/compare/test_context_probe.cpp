// SPDX-License-Identifier: GPL-3.0-or-later
// The probe of long texts: as long as asked for and no longer, the key where it was asked for, and
// the same texts every time.
#include "engine/compare/context_probe.h"
#include "engine/models/loaded_model.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include <cmath>

#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

class Probed {
 public:
  Probed() {
    LoadOptions load;
    load.device = "cpu";
    load.dtype = "float32";
    load.random_weights = true;
    auto loaded = load_model(tiny_.root() / "model", load);
    if (!loaded) qFatal("%s", loaded.error().sentence().c_str());
    model = std::make_unique<LoadedModel>(loaded.take());
  }
  ContextQuestion question(std::int64_t length, double depth, std::uint64_t trial = 0) const {
    auto made = context_question(*model->processor, probe, length, depth, trial);
    if (!made) qFatal("%s", made.error().sentence().c_str());
    return made.take();
  }

  std::unique_ptr<LoadedModel> model;
  ContextProbe probe;

 private:
  TinyRun tiny_;
};

/// How far from the text's beginning its key stands, from 0 to 1.
double place_of_key(const ContextQuestion& question) {
  const std::string& text = question.sample.conversation.messages.front().content.front().text;
  const std::size_t at = text.find("The pass key is " + question.key);
  if (at == std::string::npos) return -1;
  return static_cast<double>(at) / static_cast<double>(text.size());
}

}  // namespace

class TestContextProbe : public QObject {
  Q_OBJECT

 private slots:
  void a_text_is_as_long_as_it_may_be() {
    const Probed probed;
    for (const std::int64_t length : {200, 401, 900}) {
      const ContextQuestion question = probed.question(length, 0.5);
      QVERIFY(question.tokens <= length);
      QVERIFY(question.tokens > length - 60);  // a sentence more would not fit
      const auto prompt =
          probed.model->processor->encode_prompt(question.sample.conversation, "test");
      QVERIFY(prompt.ok());
      QCOMPARE(static_cast<std::int64_t>(prompt->input_ids.size()), question.tokens);
      QCOMPARE(*question.sample.expected(), question.key);
      QCOMPARE(question.key.size(), std::size_t(5));
    }
  }

  void the_key_stands_where_it_was_asked_for() {
    const Probed probed;
    const double begin = place_of_key(probed.question(900, 0)),
                 middle = place_of_key(probed.question(900, 0.5)),
                 end = place_of_key(probed.question(900, 1));
    QVERIFY(begin >= 0 && begin < 0.1);
    QVERIFY(std::abs(middle - 0.5) < 0.1);
    QVERIFY(end > 0.85);
  }

  void texts_go_by_seed_and_place() {
    Probed probed;
    const ContextQuestion one = probed.question(300, 0.5);
    QCOMPARE(probed.question(300, 0.5).key, one.key);
    QVERIFY(same_sample(probed.question(300, 0.5).sample, one.sample));
    QVERIFY(probed.question(300, 0.5, 1).key != one.key);
    QVERIFY(probed.question(300, 0.25).key != one.key);
    probed.probe.seed = 7;
    QVERIFY(probed.question(300, 0.5).key != one.key);
    probed.probe.filler = "Only this.";
    QVERIFY(probed.question(300, 0.5).sample.question().find("Only this. Only this.") !=
            std::string::npos);
  }

  void what_cannot_be_asked_is_refused() {
    Probed probed;
    const auto tight = context_question(*probed.model->processor, probed.probe, 12, 0.5, 0);
    QVERIFY(!tight.ok());
    QVERIFY(tight.error().sentence().find("too short") != std::string::npos);
    QVERIFY(tight.error().where == "--lengths");
    probed.probe.filler = " \n ";
    QVERIFY(!context_question(*probed.model->processor, probed.probe, 300, 0.5, 0).ok());
    const auto nothing = probe_context(*probed.model, {nullptr, probed.model->processor}, {});
    QVERIFY(!nothing.ok());
  }

  void every_cell_is_asked() {
    Probed probed;
    probed.probe.lengths = {200, 300};
    probed.probe.depths = {0, 1};
    probed.probe.trials = 2;
    probed.probe.new_tokens = 3;
    std::size_t last = 0;
    const auto cells = probe_context(*probed.model, {nullptr, probed.model->processor},
                                     probed.probe, [&](std::size_t done, std::size_t total) {
                                       last = done;
                                       return total == 8;
                                     });
    QVERIFY2(cells.ok(), cells.ok() ? "" : cells.error().sentence().c_str());
    QCOMPARE(last, std::size_t(8));
    QCOMPARE(cells->size(), std::size_t(4));
    for (const ContextCell& cell : *cells) {
      QCOMPARE(cell.asked, std::int64_t(2));
      QVERIFY(cell.right >= 0 && cell.right <= 2);
      QVERIFY(cell.tokens <= static_cast<double>(cell.length));
    }
    QCOMPARE(cells->at(1).depth, 1.0);
    QCOMPARE(cells->at(2).length, std::int64_t(300));
  }

  void the_table_says_how_many_were_right() {
    ContextProbe probe;
    probe.lengths = {100, 2000};
    probe.depths = {0, 1};
    const std::vector<ContextCell> cells{
        {100, 0, 5, 5, 98}, {100, 1, 5, 4, 98}, {2000, 0, 5, 1, 1990}, {2000, 1, 5, 0, 1990}};
    const QStringList lines = QString::fromStdString(context_table_text(cells, probe)).split('\n');
    QCOMPARE(lines.size(), 4);
    QVERIFY(lines[0].contains("0 %") && lines[0].contains("100 %"));
    QVERIFY(lines[1].contains("100") && lines[1].contains("5 of 5") && lines[1].contains("4 of 5"));
    QVERIFY(lines[2].contains("2000") && lines[2].endsWith("0 of 5"));
    const Json json = to_json(cells, probe);
    QCOMPARE(json["cells"][1]["exact_match"].get<double>(), 0.8);
    QCOMPARE(json["cells"][2]["length"].get<int>(), 2000);
  }
};

QTEST_GUILESS_MAIN(TestContextProbe)
#include "test_context_probe.moc"
