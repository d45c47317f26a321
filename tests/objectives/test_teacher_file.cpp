// SPDX-License-Identifier: GPL-3.0-or-later
// Runs that have asked their teacher beforehand: that with all tokens they learn what they would
// from the teacher itself, go on to the same bytes, and that another run learns the same from the
// file; which files are refused, and by what.
#include "tests/train/watched_run.h"

#include "engine/io/files.h"
#include "engine/io/probe.h"
#include "engine/objectives/asked_in_shares.h"
#include "engine/objectives/objective.h"
#include "engine/objectives/teacher_file.h"
#include "engine/train/row_loss.h"
#include "tests/train/tiny_weights.h"

using namespace luthier;
using namespace luthier::test;

namespace {

class Asked {
 public:
  Asked() {
    TinyModel size;
    size.hidden = 96, size.wide = 160, size.layers = 3;
    write_model(tiny.root() / "teacher", size, 77);
    write_model(tiny.root() / "other", size, 78);
  }
  std::string in(const std::string& name) const { return (tiny.root() / name).string(); }
  Recipe recipe(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"objective=gkd",
                                 "gkd.lmbda=0",
                                 "gkd.teacher_model_name_or_path=" + in("teacher"),
                                 "eval_dataset=" + in("eval.jsonl"),
                                 "training.eval_steps=3",
                                 "training.max_steps=6",
                                 "training.learning_rate=5.0e-3"};
    all.insert(all.end(), more.begin(), more.end());
    return tiny.recipe(out, all);
  }
  /// Of the file that the run `out` has left, and with no teacher beside it.
  std::vector<std::string> from(const std::string& out) const {
    return {"gkd.teacher_model_name_or_path=null",
            "gkd.teacher_logits=" + in(out + "/teacher.safetensors")};
  }
  std::string refusal(const std::vector<std::string>& more) const {
    const Outcome outcome = run(recipe("refused", more));
    return outcome.result ? std::string() : outcome.result.error().sentence();
  }
  TinyRun tiny;
};

bool says(const std::string& sentence, const char* what) {
  const bool found = sentence.find(what) != std::string::npos;
  if (!found) qWarning("%s", sentence.c_str());
  return found;
}

}  // namespace

class TestTeacherFile : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  /// More tokens than there are: all of them.
  void with_all_tokens_it_is_the_teacher() {
    const Asked asked;
    const Outcome whole = run(asked.recipe("whole")),
                  kept = run(asked.recipe("kept", {"gkd.teacher_top_k=100000"})),
                  few = run(asked.recipe("few", {"gkd.teacher_top_k=3"}));
    VERIFY_OK(whole);
    VERIFY_OK(kept);
    VERIFY_OK(few);
    const auto &lines = whole.watcher.lines, &others = kept.watcher.lines;
    QCOMPARE(lines.size(), others.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      QVERIFY(std::abs(lines[i].loss - others[i].loss) < 2e-4 * lines[i].loss);
      QCOMPARE(lines[i].eval_loss.has_value(), others[i].eval_loss.has_value());
      if (lines[i].eval_loss)
        QVERIFY(std::abs(*lines[i].eval_loss - *others[i].eval_loss) < 2e-4 * lines[i].loss);
    }
    // What is told apart is less far than all of it.
    QVERIFY(few.watcher.lines.front().loss < lines.front().loss);
    QVERIFY(few.watcher.lines.front().loss > 0);
  }

  void another_run_learns_the_same() {
    const Asked asked;
    const std::vector<std::string> few{"gkd.teacher_top_k=4"};
    VERIFY_OK(run(asked.recipe("asked", few)));
    const fs::path root = asked.tiny.root();
    QVERIFY(!fs::exists(root / "asked.teacher"));
    VERIFY_OK(run(asked.recipe("given", asked.from("asked"))));
    QVERIFY2(differences(root / "asked", root / "given").isEmpty(),
             qPrintable(differences(root / "asked", root / "given")));
    // Another model of the same processor learns from it, too.
    VERIFY_OK(run(asked.recipe("full", [&] {
      std::vector<std::string> all = asked.from("asked");
      all.insert(all.end(), {"strategy=full", "gkd.beta=0"});
      return all;
    }())));
    const auto opened = TeacherFile::open(root / "asked" / "teacher.safetensors");
    QVERIFY(opened.ok());
    QCOMPARE((*opened)->k(), std::int64_t{4});
  }

  /// What is asked lies beside the run's folder until it is whole, however that was written.
  void a_folder_may_be_written_in_any_way() {
    const Asked asked;
    const fs::path root = asked.tiny.root();
    const std::vector<std::string> few{"gkd.teacher_top_k=4"};
    VERIFY_OK(run(asked.recipe("plain", few)));
    for (const char* out : {"slash/", "./dot", "plain/../above"}) {
      const Recipe recipe = asked.recipe(out, few);
      VERIFY_OK(run(recipe));
      QVERIFY2(differences(root / "plain", root / out).isEmpty(), out);
      QCOMPARE(*read_file(root / out / "teacher.safetensors"),
               *read_file(root / "plain" / "teacher.safetensors"));
    }
    for (const std::string& name : names_in(root)) QVERIFY(!name.ends_with(".teacher"));
  }

  /// Of a process whose answers another one keeps, nothing lies beside the run.
  void what_another_keeps_is_not_kept() {
    const Asked asked;
    const Recipe recipe = asked.recipe("left", {"gkd.teacher_top_k=4"});
    const Json said{{"places", {{0, 0, 0}}}};
    for (const bool elsewhere : {true, false}) {
      const auto objective = make_objective(recipe);
      QVERIFY(objective.ok());
      auto* shares = dynamic_cast<AskedInShares*>(objective->get());
      QVERIFY(shares);
      if (elsewhere) shares->leave_to_another();
      QVERIFY(shares->take_answer(said, false).ok());
      QCOMPARE(fs::exists(asked.tiny.root() / "left.teacher"), !elsewhere);
    }
  }

  /// Killed before its first checkpoint, it begins anew in the folder that its answers lie in, and
  /// asks nobody again.
  void a_run_without_a_checkpoint_begins_again() {
    const Asked asked;
    const fs::path root = asked.tiny.root();
    const Recipe recipe = asked.recipe("cut", {"gkd.teacher_top_k=4"});
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&](std::int64_t) { control.stop(false); };
    }));
    QVERIFY(fs::exists(root / "cut" / "teacher.safetensors"));
    QVERIFY(checkpoint_steps(root / "cut").empty());
    const auto asked_at = fs::last_write_time(root / "cut" / "teacher.safetensors");
    VERIFY_OK(run(recipe, root / "cut"));
    QVERIFY(fs::last_write_time(root / "cut" / "teacher.safetensors") == asked_at);
    VERIFY_OK(run(asked.recipe("whole", {"gkd.teacher_top_k=4"})));
    QVERIFY2(differences(root / "cut", root / "whole").isEmpty(),
             qPrintable(differences(root / "cut", root / "whole")));
  }

  void runs_go_on_to_the_same_bytes_data() {
    QTest::addColumn<bool>("given");
    QTest::newRow("asked") << false;
    QTest::newRow("given") << true;
  }
  void runs_go_on_to_the_same_bytes() {
    QFETCH(bool, given);
    const Asked asked;
    VERIFY_OK(run(asked.recipe("whole", {"gkd.teacher_top_k=4"})));
    const fs::path root = asked.tiny.root();
    const Recipe recipe = asked.recipe(
        "cut", given ? asked.from("whole") : std::vector<std::string>{"gkd.teacher_top_k=4"});
    bool seen = false;
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.between = [&, done = 0]() mutable {
        if (++done >= 9 && !seen) seen = true, control.stop(true);
      };
    }));
    QVERIFY(seen);
    VERIFY_OK(run(recipe, root / "cut"));
    QVERIFY2(differences(root / "cut", root / "whole").isEmpty(),
             qPrintable(differences(root / "cut", root / "whole")));
  }

  /// `loss` asks the teacher on the spot, or reads the file of the same rows.
  void rows_are_shown_by_either() {
    const Asked asked;
    VERIFY_OK(run(asked.recipe("asked", {"gkd.teacher_top_k=4"})));
    const auto loss = [&](const std::vector<std::string>& more) {
      const Recipe recipe = asked.recipe("shown", more);
      auto base = load(recipe);
      if (!base) qFatal("%s", base.error().sentence().c_str());
      const auto tensors = loss_of_rows(*base, recipe, asked.in("rows.jsonl"));
      if (!tensors) qFatal("%s", tensors.error().sentence().c_str());
      for (const auto& [name, tensor] : *tensors)
        if (name == "loss") return tensor.item<double>();
      return 0.0;
    };
    const double at_once = loss({"gkd.teacher_top_k=4"}), read = loss(asked.from("asked"));
    // What is left of logarithms of some units, which float32 holds to 2e-7.
    QVERIFY2(std::abs(at_once - read) < 1e-5 * at_once + 2e-8,
             qPrintable(QString("%1 %2").arg(at_once).arg(read)));
  }

  void stale_files_are_refused() {
    const Asked asked;
    VERIFY_OK(run(asked.recipe("asked", {"gkd.teacher_top_k=4"})));
    const auto with = [&](std::vector<std::string> more) {
      std::vector<std::string> all = asked.from("asked");
      all.insert(all.end(), more.begin(), more.end());
      return asked.refusal(all);
    };
    QVERIFY(says(with({"training.max_length=1000"}), "rows that were made otherwise"));
    QVERIFY(says(with({"training.max_length=1000"}), "max_length 1000"));
    QVERIFY(says(with({"gkd.teacher_model_name_or_path=" + asked.in("other")}),
                 "what another teacher said"));
    QVERIFY(says(with({"dataset=" + asked.in("eval.jsonl")}), "other training data"));
    QVERIFY(says(with({"eval_dataset=" + asked.in("rows.jsonl")}), "other evaluation data"));
    // A template that writes rows otherwise.
    const fs::path model = asked.tiny.root() / "turned";
    fs::copy(asked.tiny.root() / "model", model, fs::copy_options::recursive);
    write_text(model / "special_tokens_map.json", "{}");
    QVERIFY(says(with({"model=" + model.string()}), "another tokenizer, template"));
    QVERIFY(with({}).empty());
  }

  void broken_files_are_refused() {
    const Asked asked;
    VERIFY_OK(run(asked.recipe("asked", {"gkd.teacher_top_k=4"})));
    const fs::path file = asked.tiny.root() / "asked" / "teacher.safetensors",
                   broken = asked.tiny.root() / "broken.safetensors";
    const auto given = [&](const fs::path& path) {
      return asked.refusal({"gkd.teacher_logits=" + path.string()});
    };
    QVERIFY(says(given(asked.tiny.root() / "nowhere"), "gkd.teacher_logits"));
    QVERIFY(says(given(asked.tiny.root() / "teacher" / "model.safetensors"),
                 "none of what a teacher said"));
    const std::string whole = *read_file(file, 1 << 24);
    write_text(broken, whole.substr(0, whole.size() / 2));
    QVERIFY(says(given(broken), "broken.safetensors"));
    write_text(broken, "no file of tensors");
    QVERIFY(says(given(broken), "broken.safetensors"));
    std::string renamed = whole;  // places are no longer there
    renamed.replace(renamed.find("\"places\""), 8, "\"planes\"");
    write_text(broken, renamed);
    QVERIFY(says(given(broken), "lacks ids or places"));
    std::string moved = whole;  // the first sequence begins behind the end
    const auto opened = SafetensorsFile::open(file);
    QVERIFY(opened.ok());
    const auto places = opened->find("places");
    QVERIFY(places.has_value());
    const std::size_t begin = whole.size() -
                              static_cast<std::size_t>(opened->header().tensors.back().second.end) +
                              static_cast<std::size_t>(places->info.begin);
    moved[begin + 3 * 8 + 6] = 1;
    write_text(broken, moved);
    QVERIFY(says(given(broken), "places[0]"));
  }

  void settings_that_do_not_go_together_are_refused() {
    const Asked asked;
    const auto said = [&](const std::vector<std::string>& more) {
      const Status status = check_recipe(asked.recipe("run", more));
      return status ? std::string() : status.error().sentence();
    };
    QVERIFY(says(said({"gkd.teacher_top_k=4", "gkd.lmbda=0.5"}), "gkd.teacher_top_k"));
    QVERIFY(says(said({"gkd.teacher_top_k=4", "gkd.seq_kd=true"}), "are drawn"));
    QVERIFY(says(said({"gkd.teacher_logits=x", "gkd.lmbda=1"}), "gkd.teacher_logits"));
    QVERIFY(says(said({"gkd.teacher_logits=x", "gkd.teacher_top_k=4"}), "Leave one of the two"));
    QVERIFY(says(said({"gkd.teacher_model_name_or_path=null"}), "names no teacher"));
    QVERIFY(said({"gkd.teacher_logits=x", "gkd.teacher_model_name_or_path=null"}).empty());
  }
};

QTEST_GUILESS_MAIN(TestTeacherFile)
#include "test_teacher_file.moc"
