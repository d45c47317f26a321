// SPDX-License-Identifier: GPL-3.0-or-later
// Questions that a run answers as it goes are held against the model's positions before its first
// step, by the setting's name, where they would be left unanswered at each evaluation.
#include "engine/session/headless.h"

#include "tests/train/tiny_gpt2.h"
#include "tests/train/watched_run.h"

using namespace luthier;
using namespace luthier::test;

class TestFixedSamples : public QObject {
  Q_OBJECT

 private slots:
  void answers_that_cannot_fit_are_refused_data() {
    QTest::addColumn<QString>("setting");
    QTest::newRow("samples") << "samples";
    QTest::newRow("the probe") << "forgetting";
  }
  void answers_that_cannot_fit_are_refused() {
    QFETCH(QString, setting);
    at::set_num_threads(1);
    TinyRun tiny;
    const fs::path model = make_gpt2(tiny, 128);
    const Json row = {{"prompt", "It"}, {"completion", "It."}};
    write_text(tiny.root() / "texts.jsonl", row.dump() + "\n" + row.dump() + "\n");
    const std::string rows = (tiny.root() / "texts.jsonl").string(), key = setting.toStdString();
    for (const int longest : {8, 200}) {
      std::vector<std::string> settings{
          "model=" + model.string(), "dataset=" + rows,
          "training.max_steps=1",    "adapter.r=2",
          key + ".dataset=" + rows,  key + ".max_new_tokens=" + std::to_string(longest)};
      if (key == "samples") settings.push_back("samples.every=1");
      const std::string out = "run-" + std::to_string(longest);
      const auto ended = train_headless(tiny.recipe(out, settings), std::nullopt, {}, {});
      if (longest == 8) {
        QVERIFY2(ended.ok(), ended.ok() ? "" : ended.error().sentence().c_str());
        continue;
      }
      QVERIFY(!ended.ok());
      QCOMPARE(ended.error().where, key + ".max_new_tokens");
      QVERIFY(!fs::exists(tiny.root() / out));
    }
  }
};

QTEST_GUILESS_MAIN(TestFixedSamples)
#include "test_fixed_samples.moc"
