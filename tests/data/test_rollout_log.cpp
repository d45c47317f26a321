// SPDX-License-Identifier: GPL-3.0-or-later
// What a run has drawn, read while its file grows: pieces that add up to the whole, a line that is
// still being written, a file that a resume has cut back, and the rows of one step.
#include <QtTest>

#include <cmath>
#include <fstream>

#include "engine/data/rollout_log.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

/// A row of two answers: judges "a" and "b", of which b says nothing about the second.
std::string line_of(int step, int row, double first, double second) {
  Json line{{"step", step}, {"row", row}};
  line["prompt"] = {
      {{"role", "user"}, {"content", {{{"type", "text"}, {"text", "Q" + std::to_string(row)}}}}}};
  line["completion_ids"] = {{1, 2, 3}, {4}};
  line["completions"] = {"one " + std::to_string(step), "two"};
  line["rewards"]["a"] = {first, second};
  line["rewards"]["b"] = {0.5, nullptr};
  line["old_per_token_logps"] = {{-1, -2, -3}, nullptr};
  return line.dump() + "\n";
}

class Folder {
 public:
  fs::path file() const { return fs::path(folder_.path().toStdString()) / kRolloutsFile; }
  void write(const std::string& text, bool append = false) const {
    std::ofstream out(file(), append ? std::ios::app : std::ios::trunc);
    out << text;
  }

 private:
  QTemporaryDir folder_;
};

std::vector<DrawnStep> read_all(const fs::path& file, std::uint64_t most, int* pieces = nullptr) {
  std::vector<DrawnStep> steps;
  std::uint64_t at = 0;
  for (int count = 1;; ++count) {
    auto piece = read_rollout_index(file, at, most);
    if (!piece) return {};
    at = piece->read_to;
    const bool more = piece->more;
    join_rollouts(steps, piece.take());
    if (pieces) *pieces = count;
    if (!more) return steps;
  }
}

}  // namespace

class TestRolloutLog : public QObject {
  Q_OBJECT

 private slots:
  void steps_are_the_same_however_they_are_read() {
    const Folder folder;
    folder.write(line_of(1, 7, 1, 0) + line_of(1, 8, 0.25, 0.75) + line_of(4, 7, 2, -1));
    int pieces = 0;
    for (const std::uint64_t most : {std::uint64_t{1}, std::uint64_t{1} << 20}) {
      const auto steps = read_all(folder.file(), most, &pieces);
      QCOMPARE(steps.size(), std::size_t{2});
      QCOMPARE(steps[0].step, std::int64_t{1});
      QCOMPARE(steps[0].begins.size(), std::size_t{2});
      QCOMPARE(steps[0].answers, std::size_t{4});
      QCOMPARE(steps[0].rewards[0], NamedRewards("a", {1, 0, 0.25, 0.75}));
      QCOMPARE(steps[0].rewards[1].second[2], 0.5);
      QVERIFY(std::isnan(steps[0].rewards[1].second[3]));
      QCOMPARE(steps[1].step, std::int64_t{4});
      QCOMPARE(steps[1].begins.size(), std::size_t{1});
      QCOMPARE(pieces, most == 1 ? 3 : 1);
    }
  }

  void a_line_without_its_end_waits_for_it() {
    const Folder folder;
    const std::string second = line_of(2, 1, 3, 4);
    folder.write(line_of(1, 1, 1, 2) + second.substr(0, second.size() - 5));
    auto read = read_rollout_index(folder.file(), 0, 1 << 20);
    QVERIFY(read.ok());
    QCOMPARE(read->steps.size(), std::size_t{1});
    QVERIFY(!read->more);
    folder.write(second.substr(second.size() - 5), /*append=*/true);
    read = read_rollout_index(folder.file(), read->read_to, 1 << 20);
    QVERIFY(read.ok() && !read->anew);
    QCOMPARE(read->steps.size(), std::size_t{1});
    QCOMPARE(read->steps[0].step, std::int64_t{2});
  }

  void a_file_that_was_cut_back_is_read_anew() {
    const Folder folder;
    folder.write(line_of(1, 1, 1, 2) + line_of(2, 1, 3, 4));
    std::vector<DrawnStep> steps;
    auto read = read_rollout_index(folder.file(), 0, 1 << 20);
    const std::uint64_t at = read->read_to;
    join_rollouts(steps, read.take());
    QCOMPARE(steps.size(), std::size_t{2});
    folder.write(line_of(1, 1, 1, 2));
    read = read_rollout_index(folder.file(), at, 1 << 20);
    QVERIFY(read.ok() && read->anew);
    join_rollouts(steps, read.take());
    QCOMPARE(steps.size(), std::size_t{1});
  }

  void what_is_no_row_is_passed_over() {
    const Folder folder;
    folder.write("{broken\n[1]\n{\"row\": 1}\n" + line_of(3, 1, 1, 2));
    const auto steps = read_all(folder.file(), 1 << 20);
    QCOMPARE(steps.size(), std::size_t{1});
    QCOMPARE(steps[0].step, std::int64_t{3});
    const auto absent = read_rollout_index(folder.file().parent_path() / "absent", 0, 1);
    QVERIFY(absent.ok() && absent->steps.empty() && !absent->more && !absent->anew);
  }

  void rows_are_read_where_they_stand() {
    const Folder folder;
    folder.write(line_of(1, 7, 1, 0) + line_of(2, 8, 0.25, 0.75));
    const auto steps = read_all(folder.file(), 1 << 20);
    const auto rows = read_drawn_rows(folder.file(), steps[1].begins);
    QVERIFY2(rows.ok(), rows ? "" : rows.error().sentence().c_str());
    QCOMPARE(rows->size(), std::size_t{1});
    const DrawnRow& row = rows->front();
    QCOMPARE(row.row, std::int64_t{8});
    QCOMPARE(row.prompt.messages.front().content.front().text, std::string("Q8"));
    QCOMPARE(row.judges, (std::vector<std::string>{"a", "b"}));
    QCOMPARE(row.answers.size(), std::size_t{2});
    QCOMPARE(row.answers[0].text, std::string("one 2"));
    QCOMPARE(row.answers[0].tokens, std::size_t{3});
    QCOMPARE(row.answers[1].rewards[0], 0.75);
    QVERIFY(std::isnan(row.answers[1].rewards[1]));
    QVERIFY(!read_drawn_rows(folder.file(), {std::uint64_t{1} << 20}).ok());
    QVERIFY(!read_drawn_rows(folder.file(), {3}).ok());
  }

  void a_sum_leaves_out_who_says_nothing() {
    const double nothing = std::nan("");
    QCOMPARE(reward_sum({1, 2}, {}), 3.0);
    QCOMPARE(reward_sum({1, 2}, {0.5, 2}), 4.5);
    QCOMPARE(reward_sum({1, nothing}, {0.5, 2}), 0.5);
    QVERIFY(std::isnan(reward_sum({nothing, nothing}, {})));
  }
};

QTEST_GUILESS_MAIN(TestRolloutLog)
#include "test_rollout_log.moc"
