// SPDX-License-Identifier: GPL-3.0-or-later
// A sweep's language is what it says it is, and a sweep trains each run once, goes on where it was
// broken off, and refuses to mix what lies on no common law.
#include "engine/lab/law_sweep.h"

#include <QTemporaryDir>
#include <QtTest>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "engine/io/files.h"
#include "engine/lab/law_text.h"
#include "engine/runs/run_folder.h"
#include "engine/session/headless.h"
#include "engine/text/tokenizer.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestLawSweep : public QObject {
  Q_OBJECT

  /// Runs of a few steps.
  static LawSweepOptions small() {
    LawSweepOptions options;
    options.widths = {8, 16, 24};
    options.tokens = {504, 1008, 2016};
    options.rows_a_step = 2;
    options.fit.draws = 10;
    options.minutes = 1000;
    return options;
  }

 private slots:
  void words_are_drawn_as_the_tables_say() {
    const LawText text(5);
    QCOMPARE(text.words().size(), std::size_t(LawText::kWords));
    QCOMPARE(std::set<std::string>(text.words().begin(), text.words().end()).size(),
             std::size_t(LawText::kWords));
    for (const auto& [before, last] : {std::pair(3, 7), {255, 0}, {0, 0}, {-1, -1}}) {
      double sum = 0;
      for (int word = 0; word < LawText::kWords; ++word)
        sum += text.probability(before, last, word);
      QVERIFY(std::abs(sum - 1) < 1e-12);
    }
    // What was drawn behind one pair comes as often as its probability says.
    std::map<std::pair<int, int>, std::map<int, int>> behind;
    for (std::uint64_t place = 0; place < 4000; ++place) {
      const auto row = text.row(LawTextSplit::Train, place);
      for (std::size_t i = 2; i < row.size(); ++i) ++behind[{row[i - 2], row[i - 1]}][row[i]];
    }
    const auto most = std::max_element(behind.begin(), behind.end(), [](auto& a, auto& b) {
      const auto count = [](const auto& words) {
        int all = 0;
        for (const auto& [word, times] : words) all += times;
        return all;
      };
      return count(a.second) < count(b.second);
    });
    double all = 0;
    for (const auto& [word, times] : most->second) all += times;
    QVERIFY(all > 200);
    for (const auto& [word, times] : most->second) {
      const double likely = text.probability(most->first.first, most->first.second, word);
      QVERIFY(std::abs(times / all - likely) < 5 * std::sqrt(likely / all) + 1 / all);
    }
    QCOMPARE(text.row(LawTextSplit::Train, 9), LawText(5).row(LawTextSplit::Train, 9));
    QVERIFY(text.row(LawTextSplit::Train, 9) != text.row(LawTextSplit::HeldOut, 9));
    QVERIFY(text.row(LawTextSplit::Train, 9) != LawText(6).row(LawTextSplit::Train, 9));
  }

  void a_word_is_a_token() {
    QTemporaryDir folder;
    const LawText text(1);
    QVERIFY(text.write_tokenizer(folder.path().toStdString()).ok());
    const auto tokenizer = Tokenizer::load(folder.path().toStdString());
    QVERIFY2(tokenizer.ok(), tokenizer.ok() ? "" : tokenizer.error().sentence().c_str());
    const auto row = text.row(LawTextSplit::Train, 0);
    const auto encoded = (*tokenizer)->encode(text.text(row), true);
    QVERIFY(encoded.ok());
    QCOMPARE(encoded->ids.size(), row.size() + 1);
    QCOMPARE(encoded->ids.front(), TokenId(1));
    for (std::size_t i = 0; i < row.size(); ++i)
      QCOMPARE(encoded->ids[i + 1], static_cast<TokenId>(row[i] + 4));
    QCOMPARE((*tokenizer)->vocab_size(), std::int64_t(LawText::kVocabulary));
  }

  void a_sweep_goes_on_where_it_stopped() {
    QTemporaryDir home;
    const fs::path folder = fs::path(home.path().toStdString()) / "sweep";
    int trained = 0, limit = 4;
    SweepHost host;
    host.train = [&](const Recipe& recipe, const std::optional<fs::path>& run) {
      ++trained;
      return train_headless(recipe, run, {}, {});
    };
    host.go_on = [&] { return trained < limit; };
    const auto stopped = run_law_sweep(folder, small(), host);
    QVERIFY(!stopped.ok());
    QVERIFY2(stopped.error().code == ErrorCode::Interrupted, stopped.error().sentence().c_str());
    QCOMPARE(trained, 4);
    limit = 1000;
    const auto sweep = run_law_sweep(folder, small(), host);
    QVERIFY2(sweep.ok(), sweep.ok() ? "" : sweep.error().sentence().c_str());
    QCOMPARE(trained, 10);  // nine, and the next size
    QCOMPARE(sweep->runs.size(), std::size_t(9));
    for (const SweepRun& run : sweep->runs) {
      QVERIFY(run.loss && *run.loss > sweep->floor);
      QCOMPARE(run.points.size(), std::size_t(4));
      const auto opened = RunFolder::open(folder / "runs" / run.name);
      QVERIFY(opened.ok());
      const auto manifest = opened->read_manifest();
      QVERIFY(manifest.ok());
      QCOMPARE(manifest->parameters, run.size.weights());
    }
    QVERIFY(sweep->whole && sweep->whole->ok());
    QVERIFY(sweep->next && sweep->next->run.loss);
    QCOMPARE(sweep->next->run.size.width, std::int64_t(40));
    const auto document = read_json_file(folder / "sweep.json");
    QVERIFY(document.ok());
    QCOMPARE((*document)["runs"].size(), std::size_t(9));
    // Its file is one that points are read from, and the table the same points.
    const auto points = read_loss_points(folder / "sweep.json");
    const auto table = read_loss_points(folder / "points.csv");
    QVERIFY(points.ok() && table.ok());
    QCOMPARE(points->size(), std::size_t(36));
    QCOMPARE(table->size(), points->size());
    QCOMPARE(table->back().last, points->back().last);
    // All is there: nothing is trained, whatever the minutes.
    LawSweepOptions again = small();
    again.minutes = 1e-9;
    QVERIFY(run_law_sweep(folder, again, host).ok());
    QCOMPARE(trained, 10);
    // A larger grid: what is new waits for time.
    again.tokens.push_back(3024);
    const auto left = run_law_sweep(folder, again, host);
    QVERIFY(left.ok());
    QCOMPARE(trained, 10);
    QCOMPARE(left->left_out.size(), std::size_t(4));
    again.seed = 2;
    QVERIFY(!run_law_sweep(folder, again, host).ok());
  }

  void what_makes_no_sweep_is_refused() {
    QTemporaryDir home;
    const fs::path folder = fs::path(home.path().toStdString()) / "sweep";
    const auto refused = [&](auto change) {
      LawSweepOptions options = small();
      change(options);
      const auto sweep = run_law_sweep(folder, options, {});
      return !sweep.ok() && sweep.error().code == ErrorCode::Input && !fs::exists(folder);
    };
    QVERIFY(refused([](auto& o) { o.widths = {8, 16}; }));
    QVERIFY(refused([](auto& o) { o.widths = {8, 8, 16}; }));
    QVERIFY(refused([](auto& o) { o.widths = {8, 16, 20}; }));
    QVERIFY(refused([](auto& o) { o.widths = {8, 16, 1 << 20}; }));
    QVERIFY(refused([](auto& o) { o.tokens = {504, 1008}; }));
    QVERIFY(refused([](auto& o) { o.tokens = {1, 504, 1008}; }));
    QVERIFY(refused([](auto& o) { o.rows_a_step = 0; }));
    QVERIFY(refused([](auto& o) { o.minutes = 0; }));
    QVERIFY(refused([](auto& o) { o.learning_rate = -1; }));
    QVERIFY(refused([](auto& o) { o.next_width = 12; }));
    QVERIFY(refused([](auto& o) { o.next_tokens = 3; }));
    // Somebody else's folder.
    fs::create_directories(folder);
    QVERIFY(write_file_atomically(folder / "letter.txt", "mine").ok());
    QVERIFY(!run_law_sweep(folder, small(), {}).ok());
  }
};

QTEST_APPLESS_MAIN(TestLawSweep)
#include "test_law_sweep.moc"
