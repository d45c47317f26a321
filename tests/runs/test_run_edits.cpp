// SPDX-License-Identifier: GPL-3.0-or-later
// Changes by hand as events, as files of a person's own, and in a folder that is cut back.
#include <QtTest>

#include <fstream>

#include "engine/runs/run_edits.h"
#include "engine/runs/run_folder.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestRunEdits : public QObject {
  Q_OBJECT

  fs::path put(const std::string& text) const {
    const fs::path path = fs::path(folder_.path().toStdString()) / "edits.jsonl";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  QString refused(const std::string& text) const {
    const auto edits = read_edits(put(text));
    return edits ? QString() : QString::fromStdString(edits.error().sentence());
  }

  QTemporaryDir folder_;

 private slots:
  void an_event_says_what_became_of_the_setting() {
    for (const double rate : {1e-5, 0.1 + 0.2, 3.0, 2.0e-4 / 3}) {
      const RunEvent event{7, "", "learning_rate", edit_detail(2e-4, rate)};
      const auto edit = edit_of(event);
      QVERIFY(edit && edit->value == rate && edit->step == 7);  // to the last bit
    }
    QVERIFY(!edit_of({7, "", "checkpoint", "step 7"}));
    QVERIFY(!edit_of({7, "", "learning_rate", "nothing"}));
    QVERIFY(!edit_of({7, "", "learning_rate", "from 1 to inf"}));
  }

  void a_file_of_events_or_of_lines() {
    const auto edits = read_edits(
        put("{\"step\":40,\"max_grad_norm\":0.5,\"logging_steps\":5}\n\n"
            "{\"step\":3,\"time\":\"\",\"kind\":\"started\",\"detail\":\"\"}\n"
            "{\"step\":9,\"time\":\"\",\"kind\":\"learning_rate\",\"detail\":\"from 1 to 0.25\"}\n"
            "{\"step\":9,\"ki"));
    QVERIFY2(edits.ok(), edits.ok() ? "" : edits.error().sentence().c_str());
    QCOMPARE(edits->size(), std::size_t(3));
    QVERIFY((*edits)[0] == (RunEdit{9, "learning_rate", 0.25}));
    QVERIFY((*edits)[1].step == 40 && (*edits)[2].step == 40);
  }

  void what_cannot_be_done_is_refused_by_its_line() {
    QVERIFY(refused("{\"step\":1,\"seed\":2}\n").contains("line 1"));
    QVERIFY(refused("{\"step\":1,\"seed\":2}\n").contains("learning_rate, max_grad_norm"));
    QVERIFY(refused("{\"step\":-1,\"learning_rate\":1}\n").contains("0 or more"));
    QVERIFY(refused("{\"step\":1,\"learning_rate\":-1}\n").contains("line 1: learning_rate"));
    QVERIFY(refused("{\"step\":1,\"logging_steps\":2.5}\n").contains("logging_steps"));
    QVERIFY(refused("{\"step\":1,\"logging_steps\":0}\n").contains("logging_steps"));
    QVERIFY(refused("{\"step\":1,\"learning_rate\":\"fast\"}\n").contains("number"));
    QVERIFY(refused("{\"step\":1}\n").contains("changes no setting"));
    QVERIFY(refused("[1]\n").contains("line 1"));
    QVERIFY(!refused("nonsense\n").isEmpty());
    QVERIFY(refused("").contains("changes no setting of a run"));
    QVERIFY(!read_edits("/nowhere/edits.jsonl").ok());
    QVERIFY(!check_edit("learning_rate", std::nan("")).ok() && check_edit("max_grad_norm", 0).ok());
  }

  void what_is_in_force_after_a_step() {
    const Recipe recipe;
    const std::vector<RunEvent> events{{5, "", "max_grad_norm", "from 1.0 to 0.5"},
                                       {5, "", "max_grad_norm", "from 0.5 to 0.25"},
                                       {9, "", "max_grad_norm", "from 0.25 to 2"}};
    QCOMPARE(value_in_force(recipe, events, "max_grad_norm", 4), 1.0);
    QCOMPARE(value_in_force(recipe, events, "max_grad_norm", 5), 0.25);
    QCOMPARE(value_in_force(recipe, events, "max_grad_norm", 99), 2.0);
    QCOMPARE(value_in_force(recipe, events, "logging_steps", 99), 1.0);
  }

  void a_folder_that_is_cut_back_keeps_them() {
    const fs::path run = fs::path(folder_.path().toStdString()) / "run";
    const auto folder = RunFolder::create(run, "");
    QVERIFY(folder.ok());
    for (const auto& [step, kind] : std::vector<std::pair<int, const char*>>{{1, "started"},
                                                                             {4, "learning_rate"},
                                                                             {6, "learning_rate"},
                                                                             {7, "checkpoint"},
                                                                             {8, "max_grad_norm"}})
      QVERIFY(folder->append_event({step, "", kind, edit_detail(1, 2)}).ok());
    QVERIFY(folder->truncate_after(5).ok());
    const auto steps = [&] {
      std::vector<std::int64_t> all;
      for (const RunEvent& event : folder->read_events()) all.push_back(event.step);
      return all;
    };
    QCOMPARE(steps(), (std::vector<std::int64_t>{1, 4, 6, 8}));
    QVERIFY(folder->forget_edits("learning_rate", 5).ok());
    QCOMPARE(steps(), (std::vector<std::int64_t>{1, 4, 8}));
  }
};

QTEST_GUILESS_MAIN(TestRunEdits)
#include "test_run_edits.moc"
