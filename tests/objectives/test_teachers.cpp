// SPDX-License-Identifier: GPL-3.0-or-later
// Runs that learn from a teacher: that they come nearer to it, go on to the same bytes whoever
// answers, what is refused, and what rows become where answers are drawn. The distance itself:
// test_divergence; tests/parity compares with TRL.
#include "tests/train/watched_run.h"

#include <set>

#include "engine/objectives/drawn_answers.h"
#include "engine/objectives/objective.h"
#include "engine/train/row_loss.h"
#include "tests/train/tiny_weights.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// With a teacher that is wider and deeper.
class Taught {
 public:
  Taught() {
    TinyModel size;
    size.hidden = 96, size.wide = 160, size.layers = 3;
    write_model(tiny.root() / "teacher", size, 77);
  }
  Recipe recipe(const std::string& out, const std::vector<std::string>& more = {},
                const std::string& objective = "gkd") const {
    std::vector<std::string> all{
        "objective=" + objective,
        objective + ".teacher_model_name_or_path=" + (tiny.root() / "teacher").string(),
        "eval_dataset=" + (tiny.root() / "eval.jsonl").string(), "training.learning_rate=5.0e-3"};
    if (objective == "gkd")
      all.insert(all.end(), {"gkd.max_new_tokens=6", "gkd.lmbda=0"});
    else
      all.emplace_back("distillation.max_completion_length=6");
    all.insert(all.end(), more.begin(), more.end());
    return tiny.recipe(out, all);
  }
  TinyRun tiny;
};

QString sentence_of(const Outcome& outcome) {
  return outcome.result ? QString() : QString::fromStdString(outcome.result.error().sentence());
}

}  // namespace

class TestTeachers : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void runs_go_on_to_the_same_bytes_data() {
    QTest::addColumn<QString>("settings");
    QTest::newRow("written") << "gkd.beta=0.5";
    QTest::newRow("forward, a fixed tower")
        << "gkd.beta=0;adapter.exclude_modules=.*vision_tower.*";
    QTest::newRow("reverse, full") << "gkd.beta=1;strategy=full";
    QTest::newRow("own answers") << "gkd.lmbda=0.5;gkd.temperature=1.3";
    QTest::newRow("answers of the teacher") << "gkd.lmbda=0.3;gkd.seq_kd=true";
    QTest::newRow("own answers, a fixed tower")
        << "gkd.lmbda=1;adapter.exclude_modules=.*vision_tower.*";
    QTest::newRow("distillation") << "distillation.temperature=1.2";
    QTest::newRow("distillation, full") << "distillation.beta=0.4;strategy=full";
  }
  void runs_go_on_to_the_same_bytes() {
    QFETCH(QString, settings);
    const Taught taught;
    std::vector<std::string> all{"training.logging_steps=2", "training.max_steps=6"};
    for (const QString& each : settings.split(';')) all.push_back(each.toStdString());
    const std::string objective = settings.startsWith("distillation") ? "distillation" : "gkd";
    const Outcome whole = run(taught.recipe("whole", all, objective));
    VERIFY_OK(whole);
    QCOMPARE(whole.watcher.lines.back().figures.contains("completions/mean_length"),
             objective == "distillation");
    const Recipe recipe = taught.recipe("cut", all, objective);
    bool seen = false;
    VERIFY_OK(run(recipe, {}, [&](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.between = [&, done = 0]() mutable {
        if (++done >= 9 && !seen) seen = true, control.stop(true);
      };
    }));
    QVERIFY(seen);
    const fs::path root = taught.tiny.root();
    VERIFY_OK(run(recipe, root / "cut"));
    QVERIFY2(differences(root / "cut", root / "whole").isEmpty(),
             qPrintable(differences(root / "cut", root / "whole")));
  }

  void it_comes_nearer_to_its_teacher() {
    const Taught taught;
    const Outcome outcome = run(taught.recipe(
        "run", {"strategy=full", "training.learning_rate=3.0e-3", "training.max_steps=40",
                "training.save_steps=0", "training.eval_steps=40"}));
    VERIFY_OK(outcome);
    const auto& lines = outcome.watcher.lines;
    QVERIFY2(lines.back().loss < 0.6 * lines.front().loss,
             qPrintable(QString::number(lines.back().loss)));
  }

  /// The base without its adapter is a teacher, too: where the adapter does nothing yet, nothing is
  /// to be learned, and no second model is loaded.
  void the_base_teaches_its_adapter() {
    TinyRun tiny;
    const fs::path model = tiny.root() / "weights";
    write_model(model, {}, 5);
    const Recipe recipe = tiny.recipe(
        "run", {"model=" + model.string(), "init=pretrained", "objective=gkd",
                "gkd.teacher_model_name_or_path=" + model.string(), "adapter.lora_dropout=0"});
    const auto made = make_objective(recipe);
    QVERIFY(made.ok());
    QCOMPARE(reference_kind(model, recipe, **made, true), ReferenceKind::Base);
    auto base = load(recipe);
    QVERIFY(base.ok());
    const auto found = loss_of_rows(*base, recipe, tiny.root() / "rows.jsonl");
    QVERIFY2(found.ok(), found ? "" : found.error().sentence().c_str());
    for (const auto& [name, tensor] : *found)
      if (name == "loss") QVERIFY(std::abs(tensor.item<double>()) < 1e-6);
    VERIFY_OK(run(recipe));
  }

  /// `loss` is of the answers that the rows came with, however many the run draws.
  void rows_are_shown_as_they_are_written() {
    const Taught taught;
    const auto found = [&](const char* share) {
      const Recipe recipe = taught.recipe("run", {std::string("gkd.lmbda=") + share});
      auto base = load(recipe);
      if (!base) qFatal("%s", base.error().sentence().c_str());
      const auto tensors = loss_of_rows(*base, recipe, taught.tiny.root() / "rows.jsonl");
      if (!tensors) qFatal("%s", tensors.error().sentence().c_str());
      return std::map<std::string, torch::Tensor>(tensors->begin(), tensors->end());
    };
    const auto written = found("0"), drawn = found("1");
    QCOMPARE(written.size(), drawn.size());
    for (const auto& [name, tensor] : written)
      QVERIFY2(at::equal(tensor, drawn.at(name)), name.c_str());
  }

  void drawn_answers_stand_behind_their_prompts() {
    const Taught taught;
    const Recipe recipe = taught.recipe("run");
    const auto base = load(recipe);
    QVERIFY(base.ok());
    const auto rows = Dataset::open({taught.tiny.root() / "rows.jsonl"});
    MicroBatch written;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto row = read_row(**rows, i, answer_rows());
      QVERIFY(row.ok());
      auto encoded = answer_rows().encode(*row, *base->processor, {}, "row");
      QVERIFY(encoded.ok());
      written.rows.push_back(static_cast<std::int64_t>(i));
      written.encoded.push_back(encoded.take());
      written.cached.emplace_back();
    }
    GenerationOptions options;
    options.temperature = 1.5, options.max_new_tokens = 5;
    const auto drawn = [&](std::uint64_t seed) {
      MicroBatch batch = written;
      options.seed = seed;
      if (!draw_answers(*base, batch, options)) qFatal("not drawn");
      return batch;
    };
    const MicroBatch first = drawn(1), again = drawn(1), other = drawn(2);
    bool differs = false;
    for (std::size_t i = 0; i < 3; ++i) {
      const Example &was = written.encoded[i].sequences[0], &is = first.encoded[i].sequences[0];
      std::size_t prompt = 0;
      while (was.labels[prompt] == kIgnoreLabel) ++prompt;
      QVERIFY(is.input_ids.size() > prompt && is.input_ids.size() <= prompt + 5);
      QCOMPARE(is.labels.size(), is.input_ids.size());
      for (std::size_t at = 0; at < is.input_ids.size(); ++at) {
        if (at < prompt) QCOMPARE(is.input_ids[at], was.input_ids[at]);
        QCOMPARE(is.labels[at], at < prompt ? kIgnoreLabel : is.input_ids[at]);
      }
      QCOMPARE(is.images.size(), was.images.size());
      QVERIFY(is.input_ids == again.encoded[i].sequences[0].input_ids);
      differs = differs || is.input_ids != other.encoded[i].sequences[0].input_ids;
    }
    QVERIFY(differs);
  }

  /// What was drawn stands in the run's folder, and the same is learned from it as given samples.
  void drawn_samples_can_be_given() {
    const Taught taught;
    const fs::path root = taught.tiny.root();
    const std::vector<std::string> short_run{"training.max_steps=2", "training.save_steps=0",
                                             "training.shuffle=false", "eval_dataset=null",
                                             "adapter.lora_dropout=0"};
    const Outcome drawn = run(taught.recipe("drawn", short_run, "distillation"));
    VERIFY_OK(drawn);
    QVERIFY(fs::exists(root / "drawn" / "rollouts.jsonl"));
    std::vector<std::string> again = short_run;
    again.push_back("distillation.rollouts=" + (root / "drawn" / "rollouts.jsonl").string());
    const Outcome given = run(taught.recipe("given", again, "distillation"));
    VERIFY_OK(given);
    QVERIFY2(differences(root / "drawn", root / "given").isEmpty(),
             qPrintable(differences(root / "drawn", root / "given")));
  }

  void a_sample_that_does_not_fit_is_refused_data() {
    QTest::addColumn<QString>("samples");
    QTest::addColumn<QString>("said");
    QTest::newRow("two") << "[[5, 6], [7]]"
                         << "row 1: completion_ids";
    QTest::newRow("beyond the vocabulary") << "[[5, 99999]]"
                                           << "holds the token 99999";
  }
  void a_sample_that_does_not_fit_is_refused() {
    QFETCH(QString, samples);
    QFETCH(QString, said);
    const Taught taught;
    const fs::path file = taught.tiny.root() / "samples.jsonl";
    std::string text;
    for (int i = 0; i < 4; ++i)
      text += R"({"prompt": "Who?", "completion_ids": )" + samples.toStdString() + "}\n";
    write_text(file, text);
    const Outcome outcome = run(taught.recipe(
        "run", {"distillation.rollouts=" + file.string(), "eval_dataset=null"}, "distillation"));
    QVERIFY(!outcome.result.ok());
    QVERIFY2(sentence_of(outcome).contains(said), qPrintable(sentence_of(outcome)));
  }

  void a_teacher_that_does_not_fit_is_refused_data() {
    QTest::addColumn<QString>("fault");
    QTest::addColumn<QString>("said");
    QTest::newRow("none") << "none"
                          << "names no teacher";
    QTest::newRow("vocabulary") << "vocabulary"
                                << "vocabulary has";
    QTest::newRow("tokenizer") << "tokenizer"
                               << "tokenizer is another one";
    QTest::newRow("pictures") << "pictures"
                              << "picture processor makes another picture";
    QTest::newRow("missing") << "missing"
                             << "config.json";
  }
  void a_teacher_that_does_not_fit_is_refused() {
    QFETCH(QString, fault);
    QFETCH(QString, said);
    const Taught taught;
    const fs::path teacher = taught.tiny.root() / "teacher";
    if (fault == "none") {
      const Status status =
          check_recipe(taught.recipe("run", {"gkd.teacher_model_name_or_path=null"}));
      QVERIFY(!status);
      QVERIFY2(QString::fromStdString(status.error().sentence()).contains(said),
               status.error().sentence().c_str());
      return;
    }
    const auto drawn_anew = [&](const std::function<void(const fs::path&)>& by) {
      fs::remove_all(teacher);
      write_model(teacher, {}, 42, by);
    };
    if (fault == "vocabulary")
      drawn_anew([&](const fs::path& shape) {
        change_json(shape / "config.json", [](Json& content) {
          Json& size = content["text_config"]["vocab_size"];
          size = size.get<std::int64_t>() + 8;
        });
      });
    if (fault == "tokenizer")
      change_json(teacher / "tokenizer.json", [](Json& content) {
        // Two pieces change places.
        std::set<std::string> added;
        for (const Json& token : content["added_tokens"])
          added.insert(token["content"].get<std::string>());
        std::vector<std::string> names;
        for (const auto& [piece, id] : content["model"]["vocab"].items())
          if (!added.contains(piece) && piece.size() == 1) names.push_back(piece);
        std::swap(content["model"]["vocab"][names.at(0)], content["model"]["vocab"][names.at(1)]);
      });
    if (fault == "pictures") drawn_anew(take_larger_pictures);
    if (fault == "missing") fs::remove(teacher / "config.json");
    const Outcome outcome = run(taught.recipe("run"));
    QVERIFY(!outcome.result.ok());
    QVERIFY2(sentence_of(outcome).contains(said), qPrintable(sentence_of(outcome)));
    if (fault != "missing")
      QVERIFY2(sentence_of(outcome).contains("gkd.teacher_model_name_or_path"),
               qPrintable(sentence_of(outcome)));
  }
};

QTEST_GUILESS_MAIN(TestTeachers)
#include "test_teachers.moc"
