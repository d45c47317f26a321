// SPDX-License-Identifier: GPL-3.0-or-later
// A resumed run is about what it was begun with: a picture of a row that is another one now, and
// another model, are said by the recipe's field before anything hangs on them.
#include "tests/train/watched_run.h"

#include "engine/train/row_media.h"

using namespace luthier;
using namespace luthier::test;

class TestResumedInputs : public QObject {
  Q_OBJECT

 private slots:
  void init() {
    at::set_num_threads(1);
    tiny_ = std::make_unique<TinyRun>();
    picture_ = tiny_->root() / "own.png";
    fs::copy_file(fixture() / "a.png", picture_);
    std::string rows;
    for (int i = 0; i < 8; ++i) rows += row(i, "It is.", picture_).dump() + "\n";
    write_text(tiny_->root() / "shown.jsonl", rows);
    recipe_ = tiny_->recipe("run", {"dataset=" + (tiny_->root() / "shown.jsonl").string()});
    VERIFY_OK(run(recipe_, {}, [](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&](std::int64_t step) {
        if (step == 4) control.stop(true);
      };
    }));
  }

  void nothing_changed() { VERIFY_OK(run(recipe_, tiny_->root() / "run")); }

  void a_changed_picture_is_said() {
    std::string bytes = *read_file(picture_, 1u << 20);
    bytes[bytes.size() / 2] ^= 1;  // of the same length
    write_text(picture_, bytes);
    const Outcome resumed = run(recipe_, tiny_->root() / "run");
    QVERIFY(!resumed.result);
    QCOMPARE(resumed.result.error().where, std::string("dataset"));
    QVERIFY2(resumed.result.error().what.find("pictures") != std::string::npos,
             resumed.result.error().what.c_str());
  }

  /// And not an adapter that does not fit it.
  void a_changed_model_is_said_of_the_model() {
    fs::remove_all(tiny_->root() / "model");
    TinyModel other;
    other.hidden = 32;
    make_model(tiny_->root() / "model", other);
    const Outcome resumed = run(recipe_, tiny_->root() / "run");
    QVERIFY(!resumed.result);
    QCOMPARE(resumed.result.error().where, std::string("model"));
  }

  void what_is_looked_at() {
    RowReader reader;
    reader.dataset = Dataset::open({tiny_->root() / "shown.jsonl"}).take();
    const auto print = [&] { return fingerprint_media(reader, {0, 1}, {}).take(); };
    const std::string before = print();
    QVERIFY(!before.empty());
    QCOMPARE(print(), before);
    fs::remove(picture_);
    QVERIFY(print() != before);
    RowReader texts;
    write_text(tiny_->root() / "texts.jsonl", row(1, "It is.", {}).dump() + "\n");
    texts.dataset = Dataset::open({tiny_->root() / "texts.jsonl"}).take();
    QCOMPARE(fingerprint_media(texts, {0}, {}).take(), std::string());
    const auto stopped = fingerprint_media(reader, {0}, [](auto, auto) { return false; });
    QCOMPARE(stopped.error().exit_status(), 130);
  }

 private:
  std::unique_ptr<TinyRun> tiny_;
  fs::path picture_;
  Recipe recipe_;
};

QTEST_GUILESS_MAIN(TestResumedInputs)
#include "test_resumed_inputs.moc"
