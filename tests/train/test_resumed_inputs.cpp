// SPDX-License-Identifier: GPL-3.0-or-later
// A resumed run is about what it was begun with: a picture of a row that is another one now,
// another model, and another one beside it, are said by the recipe's field before anything hangs on
// them, and the picture by its name.
#include "tests/train/watched_run.h"

#include "engine/data/mask_rows.h"
#include "engine/train/row_files.h"
#include "engine/train/run_inputs.h"
#include "tests/train/tiny_weights.h"

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
    stopped(recipe_);
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
    QVERIFY2(resumed.result.error().what.find("shown.jsonl: row 1)") != std::string::npos,
             resumed.result.error().what.c_str());
    QVERIFY2(resumed.result.error().what.find("; +6") != std::string::npos,
             resumed.result.error().what.c_str());
  }

  /// A copied folder has other times.
  void a_touch_changes_nothing() {
    fs::last_write_time(picture_, fs::file_time_type::clock::now() + std::chrono::hours(3));
    VERIFY_OK(run(recipe_, tiny_->root() / "run"));
  }

  /// Of what older programs looked at, nothing is known today.
  void what_older_runs_wrote_is_not_compared() {
    const fs::path manifest = tiny_->root() / "run" / "run.json";
    Json json = *read_json_file(manifest);
    QCOMPARE(json["dataset_fingerprints"].size(), std::size_t{2});
    json["dataset_fingerprints"][1] = std::string(64, 'a');
    write_text(manifest, json.dump());
    fs::remove(tiny_->root() / "run" / "inputs.safetensors");
    VERIFY_OK(run(recipe_, tiny_->root() / "run"));
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

  /// What a run is held against stands beside it, too.
  void a_changed_reference_is_said() {
    const fs::path root = tiny_->root(), other = root / "other";
    std::string pairs;
    for (int i = 0; i < 6; ++i) {
      const Json turns = row(i, "It is.", {})["messages"];
      Json rejected = turns[1];
      rejected["content"][0]["text"] = "No.";
      pairs +=
          Json{{"prompt", {turns[0]}}, {"chosen", {turns[1]}}, {"rejected", {rejected}}}.dump() +
          "\n";
    }
    write_text(root / "pairs.jsonl", pairs);
    write_model(other, {}, 3);
    write_model(root / "another", {}, 4);
    const Recipe compared =
        tiny_->recipe("compared", {"objective=dpo", "dataset=" + (root / "pairs.jsonl").string(),
                                   "ref_model=" + other.string()});
    stopped(compared);
    QCOMPARE(read_run_inputs(root / "compared").models.size(), std::size_t{1});
    fs::rename(other, root / "moved");
    fs::rename(root / "another", other);
    const Outcome resumed = run(compared, root / "compared");
    QVERIFY(!resumed.result);
    QCOMPARE(resumed.result.error().where, std::string("ref_model"));
    fs::remove_all(other);
    fs::rename(root / "moved", other);
    VERIFY_OK(run(compared, root / "compared"));
  }

  void what_is_looked_at() {
    const RowReader reader = reader_of("shown.jsonl");
    const auto print = [&] { return print_of(reader, {0, 1}); };
    const std::string before = print();
    QVERIFY(compares_row_files(before));
    QCOMPARE(print(), before);
    fs::remove(picture_);
    QVERIFY(print() != before);
    write_text(tiny_->root() / "texts.jsonl", row(1, "It is.", {}).dump() + "\n");
    QCOMPARE(print_of(reader_of("texts.jsonl"), {0}), std::string());
    RowFiles files(reader);
    const auto stopped = files.look_at({0}, [](auto, auto) { return false; });
    QCOMPARE(stopped.error().exit_status(), 130);
  }

  /// Where there are few rows all of it counts; where there are many, its time is told.
  void an_edit_of_the_same_length() {
    constexpr std::size_t kLarge = 64 << 10;
    write_text(picture_, std::string(kLarge, 'a'));
    std::string rows;
    for (int i = 0; i < 20'000; ++i) rows += row(i, "It is.", picture_).dump() + "\n";
    write_text(tiny_->root() / "many.jsonl", rows);
    const RowReader few = reader_of("shown.jsonl"), many = reader_of("many.jsonl");
    const std::string of_few = print_of(few, {0, 1}), of_many = print_of(many, {0, 1});
    RowFiles before(many);
    QVERIFY(before.look_at({0, 1, 2}, {}).ok());
    const RowMarks marks = before.marks();
    std::string edited(kLarge, 'a');
    edited[20'000] = 'b';
    write_text(picture_, edited);
    fs::last_write_time(picture_, fs::file_time_type::clock::now() + std::chrono::hours(3));
    QVERIFY(print_of(few, {0, 1}) != of_few);
    QCOMPARE(print_of(many, {0, 1}), of_many);
    RowFiles after(many);
    QVERIFY(after.look_at({0, 1, 2}, {}).ok());
    QCOMPARE(after.changed_since(marks, {0, 1, 2}), std::string());
    const auto named = [&](const char* row) {
      return picture_.string() + " (" + (tiny_->root() / "many.jsonl").string() + row;
    };
    QCOMPARE(after.rewritten_since(marks, {0, 1, 2}), named(": row 1); ") + named(": row 2); +1"));
  }

  /// A picture that no model of texts reads, and a word of a template that happens to be a path.
  void what_nobody_reads_is_not_looked_at() {
    const Json text{{"text", "It is."}, {"image", picture_.string()}};
    write_text(tiny_->root() / "beside.jsonl", text.dump() + "\n");
    RowReader reader = reader_of("beside.jsonl");
    const auto loaded = load(recipe_);
    QVERIFY(loaded.ok());
    reader.kind = &text_rows();
    reader.processor = loaded->processor;  // its pictures have places in the text
    QCOMPARE(print_of(reader, {0}), std::string());
    Json turns = row(1, "It is.", {});
    turns["messages"][0]["mask"] = picture_.string();
    write_text(tiny_->root() / "words.jsonl", turns.dump() + "\n");
    QCOMPARE(print_of(reader_of("words.jsonl"), {0}), std::string());
    RowReader masks = reader_of("masks.jsonl", Json{{"image", (fixture() / "a.png").string()},
                                                    {"text", "it"},
                                                    {"mask", picture_.string()}});
    masks.kind = &mask_rows();
    const std::string before = print_of(masks, {0});
    fs::remove(picture_);
    QVERIFY(print_of(masks, {0}) != before);
  }

 private:
  RowReader reader_of(const std::string& name, const Json& written = nullptr) const {
    if (!written.is_null()) write_text(tiny_->root() / name, written.dump() + "\n");
    RowReader reader;
    reader.dataset = Dataset::open({tiny_->root() / name}).take();
    return reader;
  }
  static std::string print_of(const RowReader& reader, const std::vector<std::int64_t>& rows) {
    RowFiles files(reader);
    if (!files.look_at(rows, {})) return "not looked at";
    return files.fingerprint(rows);
  }
  static void stopped(const Recipe& recipe) {
    VERIFY_OK(run(recipe, {}, [](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&](std::int64_t step) {
        if (step == 4) control.stop(true);
      };
    }));
  }

  std::unique_ptr<TinyRun> tiny_;
  fs::path picture_;
  Recipe recipe_;
};

QTEST_GUILESS_MAIN(TestResumedInputs)
#include "test_resumed_inputs.moc"
