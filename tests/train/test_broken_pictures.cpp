// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures are decoded when they are trained on, and one that turns out broken then stops the run
// saved or is left out, as the recipe says; a resume knows which.
#include "tests/train/watched_run.h"

#include "engine/device/memory.h"
#include "engine/vision/image.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// A picture with a whole header whose pixels end early.
void cut_picture(const fs::path& path) {
  const std::string whole = *read_file(fixture() / "a.png");
  write_text(path, whole.substr(0, whole.size() - 40));
}

/// Gives these rows of rows.jsonl (from 0) a cut picture each, brokenN.png.
void break_pictures(const TinyRun& tiny, const std::vector<int>& rows) {
  std::string text;
  std::ifstream file(tiny.root() / "rows.jsonl");
  int number = 0;
  for (std::string line; std::getline(file, line); ++number) {
    Json json = *parse_json(line, "row");
    if (std::find(rows.begin(), rows.end(), number) != rows.end()) {
      const fs::path path = tiny.root() / ("broken" + std::to_string(number) + ".png");
      cut_picture(path);
      json["messages"][0]["content"][0]["path"] = path.string();
    }
    text += json.dump() + "\n";
  }
  write_text(tiny.root() / "rows.jsonl", text);
}

}  // namespace

class TestBrokenPictures : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    install_counting_allocator();
    at::set_num_threads(1);
  }

  // Headers are read before the start, pictures when they are trained on.
  void nothing_is_decoded_before_the_first_step() {
    TinyRun tiny;
    std::uint64_t before = 0, at_first = 0;
    const Recipe recipe =
        tiny.recipe("run", {"training.max_steps=1", "training.gradient_accumulation_steps=1",
                            "training.shuffle=false"});
    auto begun = begin_run(recipe, {});
    auto base = load(recipe);
    TrainControl control;
    class Starter : public TrainObserver {
     public:
      std::uint64_t* seen = nullptr;
      void on_start(const TrainStart&) override { *seen = decoded_pictures(); }
    } observer;
    observer.seen = &at_first;
    before = decoded_pictures();
    QVERIFY(train(*base, begun.take(), {}, control, observer).ok());
    // Rows 1 and 2 are the first step's and only one of them shows a picture; the thread that loads
    // ahead has at most begun.
    QVERIFY2(at_first - before <= 1, qPrintable(QString::number(at_first - before)));
    QVERIFY2(decoded_pictures() - before <= 1,
             qPrintable(QString::number(decoded_pictures() - before)));
  }

  // A picture whose header is whole and whose pixels are not is met in mid-run. The run leaves its
  // row out, goes on, and a resume from anywhere ends in the same bytes.
  void broken_pictures_are_left_out_and_a_resume_knows_them_data() {
    QTest::addColumn<int>("stop_at");
    for (const int step : {1, 2, 3, 5, 8})
      QTest::newRow(qPrintable(QString("step %1").arg(step))) << step;
  }
  void broken_pictures_are_left_out_and_a_resume_knows_them() {
    QFETCH(int, stop_at);
    TinyRun tiny;
    break_pictures(tiny, {4, 7});
    const std::vector<std::string> settings{"image.on_error=skip", "training.logging_steps=2"};
    const Outcome whole = run(tiny.recipe("whole", settings));
    VERIFY_OK(whole);
    QCOMPARE(whole.watcher.count("warning"), 3);  // two rows, and their number at the end
    const Recipe recipe = tiny.recipe("cut", settings);
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.between = [&, done = 0, seen = 0]() mutable {
        if (++done / 3 >= stop_at && !seen) seen = 1, control.stop(true);
      };
    }));
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
    const auto checkpoint = RunFolder::open(tiny.root() / "cut")->newest_whole_checkpoint();
    Json broken = (*read_json_file(checkpoint->path / "trainer_state.json"))["broken_rows"];
    std::sort(broken.begin(), broken.end());
    QCOMPARE(broken.dump(), std::string("[4,7]"));
  }

  void a_broken_picture_stops_a_run_that_refuses_and_it_goes_on_repaired() {
    TinyRun tiny;
    VERIFY_OK(run(tiny.recipe("whole")));
    break_pictures(tiny, {7});
    const Outcome refused = run(tiny.recipe("run"));
    QVERIFY(!refused.result.ok());
    const QString sentence = QString::fromStdString(refused.result.error().sentence());
    QVERIFY2(sentence.contains("rows.jsonl: row 8") && sentence.contains("broken7.png") &&
                 sentence.contains("is saved at step"),
             qPrintable(sentence));
    QCOMPARE(refused.result.error().exit_status(), 2);
    QVERIFY(RunFolder::open(tiny.root() / "run")->newest_whole_checkpoint().has_value());
    fs::copy_file(fixture() / "a.png", tiny.root() / "broken7.png",
                  fs::copy_options::overwrite_existing);
    VERIFY_OK(run(tiny.recipe("run"), tiny.root() / "run"));
    QVERIFY2(differences(tiny.root() / "run", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "run", tiny.root() / "whole")));
  }

  void a_refusing_run_goes_on_without_its_broken_row() {
    TinyRun tiny;
    break_pictures(tiny, {7});
    QVERIFY(!run(tiny.recipe("run")).result.ok());
    VERIFY_OK(run(tiny.recipe("run", {"image.on_error=skip"}), tiny.root() / "run"));
    VERIFY_OK(run(tiny.recipe("whole", {"image.on_error=skip"})));
    const auto weights = [&](const char* name) {
      return *sha256_file(tiny.root() / name / "adapter/adapter_model.safetensors");
    };
    QCOMPARE(weights("run"), weights("whole"));
  }

  void a_run_of_broken_pictures_alone_is_no_run() {
    TinyRun tiny;
    write_text(tiny.root() / "rows.jsonl",
               row(0, "yes", tiny.root() / "broken0.png").dump() + "\n" +
                   row(1, "no", tiny.root() / "broken1.png").dump() + "\n");
    break_pictures(tiny, {0, 1});
    const Outcome outcome = run(tiny.recipe("run", {"image.on_error=skip"}));
    QVERIFY(!outcome.result.ok());
    QVERIFY(QString::fromStdString(outcome.result.error().what).contains("No row is left"));
  }

  void a_broken_picture_in_the_evaluation() {
    TinyRun tiny;
    write_text(tiny.root() / "eval.jsonl", row(0, "yes", tiny.root() / "broken0.png").dump() +
                                               "\n" + row(1, "no", fixture() / "a.png").dump() +
                                               "\n");
    cut_picture(tiny.root() / "broken0.png");
    const std::vector<std::string> settings{"eval_dataset=" + (tiny.root() / "eval.jsonl").string(),
                                            "training.eval_steps=2", "training.max_steps=4"};
    std::vector<std::string> skip = settings;
    skip.push_back("image.on_error=skip");
    const Outcome skipped = run(tiny.recipe("skipped", skip));
    VERIFY_OK(skipped);
    QCOMPARE(skipped.watcher.count("warning"), 1);
    QVERIFY(skipped.watcher.lines.back().eval_loss.has_value());
    const Outcome refused = run(tiny.recipe("refused", settings));
    QVERIFY(!refused.result.ok());
    QVERIFY(RunFolder::open(tiny.root() / "refused")->newest_whole_checkpoint().has_value());
  }
};

QTEST_GUILESS_MAIN(TestBrokenPictures)
#include "test_broken_pictures.moc"
