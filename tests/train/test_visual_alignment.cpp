// SPDX-License-Identifier: GPL-3.0-or-later
// An EVE that learns beside a teacher's tower: a run that was stopped goes on to the bytes of one
// that nobody disturbed, and a resume beside another teacher is refused by its setting.
#include "tests/train/watched_run.h"

#include "tests/train/tiny_weights.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// An EVE whose layers are aligned with a CLIP of 32 numbers a patch, and that CLIP.
class Aligned {
 public:
  Aligned() {
    const fs::path families = fs::path(LUTHIER_TEST_DATA) / "models" / "families";
    const Json config = *read_json_file(tiny.root() / "model" / "config.json");
    fs::remove(tiny.root() / "model" / "processor_config.json");
    Json own = *read_json_file(families / "eve" / "config.json");
    own["vocab_size"] = config["text_config"]["vocab_size"];
    own["image_token_id"] = config["image_token_index"];
    own["alignment_config"] = {{"hidden_size", 32}, {"image_size", 32}, {"layer_rate", 1}};
    write_text(tiny.root() / "model" / "config.json", own.dump());
    fs::copy_file(families / "eve" / "preprocessor_config.json",
                  tiny.root() / "model" / "preprocessor_config.json");
    write_teacher("teacher", 5);
    write_teacher("other", 6);
  }
  Recipe recipe(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"objective=visual_alignment", "strategy=full",
                                 "training.eval_steps=3",
                                 "eval_dataset=" + (tiny.root() / "eval.jsonl").string(),
                                 "visual_alignment.teacher=" + (tiny.root() / "teacher").string()};
    all.insert(all.end(), more.begin(), more.end());
    return tiny.recipe(out, all);
  }
  TinyRun tiny;

 private:
  void write_teacher(const std::string& name, std::uint64_t seed) const {
    const fs::path families = fs::path(LUTHIER_TEST_DATA) / "models" / "families";
    write_model(tiny.root() / name, {}, seed, [&](const fs::path& shape) {
      const Json llava = *read_json_file(shape / "config.json");
      fs::remove(shape / "processor_config.json");
      Json clip = *read_json_file(families / "clip" / "config.json");
      clip["text_config"]["vocab_size"] = llava["text_config"]["vocab_size"];
      clip["text_config"]["eos_token_id"] = 2;
      clip["vision_config"]["image_size"] = 32;
      clip["vision_config"]["patch_size"] = 4;
      write_text(shape / "config.json", clip.dump());
      Json pictures = *read_json_file(families / "clip" / "preprocessor_config.json");
      pictures["size"] = {{"shortest_edge", 32}};
      pictures["crop_size"] = {{"height", 32}, {"width", 32}};
      const Json own = *read_json_file(families / "eve" / "preprocessor_config.json");
      pictures["image_mean"] = own["image_mean"], pictures["image_std"] = own["image_std"];
      write_text(shape / "preprocessor_config.json", pictures.dump());
    });
  }
};

/// Runs until `step` has been logged, and stops: saved, or as a kill leaves it.
void run_until(const Recipe& recipe, std::int64_t last, bool saves) {
  VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
    watcher.at_step = [&control, last, saves](std::int64_t step) {
      if (step == last) control.stop(saves);
    };
  }));
}

}  // namespace

class TestVisualAlignment : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void runs_go_on_to_the_same_bytes_data() {
    QTest::addColumn<QString>("strategy");
    QTest::addColumn<bool>("saves");
    QTest::newRow("full, saved") << "full" << true;
    QTest::newRow("full, since the last checkpoint") << "full" << false;
    QTest::newRow("lora") << "lora" << true;
  }
  void runs_go_on_to_the_same_bytes() {
    QFETCH(QString, strategy);
    QFETCH(bool, saves);
    const Aligned aligned;
    const std::vector<std::string> more{"strategy=" + strategy.toStdString()};
    const fs::path root = aligned.tiny.root();
    const Outcome whole = run(aligned.recipe("whole", more));
    VERIFY_OK(whole);
    const auto& figures = whole.watcher.lines.front().figures;
    QVERIFY(figures.contains("alignment_loss") && figures.at("alignment_loss") > 0);
    const Recipe recipe = aligned.recipe("cut", more);
    run_until(recipe, 5, saves);
    VERIFY_OK(run(recipe, root / "cut"));
    QVERIFY2(differences(root / "cut", root / "whole").isEmpty(),
             qPrintable(differences(root / "cut", root / "whole")));
  }

  void another_teacher_is_said() {
    const Aligned aligned;
    const fs::path root = aligned.tiny.root();
    const Recipe recipe = aligned.recipe("cut");
    run_until(recipe, 5, true);
    fs::remove_all(root / "teacher");
    fs::rename(root / "other", root / "teacher");
    const Outcome resumed = run(recipe, root / "cut");
    QVERIFY(!resumed.result);
    QCOMPARE(resumed.result.error().where, std::string("visual_alignment.teacher"));
  }
};

QTEST_GUILESS_MAIN(TestVisualAlignment)
#include "test_visual_alignment.moc"
