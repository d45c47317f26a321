// SPDX-License-Identifier: GPL-3.0-or-later
// The shipped teaching default: found from where the program stands, whole, small, and read by the
// ordinary readers; its tasks as designed.
#include <QtTest>

#include <cstdlib>
#include <set>

#include "engine/data/dataset.h"
#include "engine/models/model_summary.h"
#include "engine/teaching/teaching.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

std::string text_of(const Message& message) {
  std::string text;
  for (const ContentPart& part : message.content) text += part.text;
  return text;
}

}  // namespace

class TestResources : public QObject {
  Q_OBJECT

 private slots:
  void found_beside_the_build() {
    const auto base = teaching_base();
    if (!base) QFAIL(base.error().sentence().c_str());
    QVERIFY(fs::exists(*base / "model.safetensors"));
  }

  void a_wrong_environment_is_refused() {
    setenv("LUTHIER_RESOURCES", "/nowhere/at/all", 1);
    const auto found = find_resources();
    unsetenv("LUTHIER_RESOURCES");
    QVERIFY(!found);
    QVERIFY(found.error().where.find("/nowhere/at/all") != std::string::npos);
    const auto unknown = teaching_task("klingon");
    QVERIFY(!unknown);
    QVERIFY(unknown.error().hint.find("korean") != std::string::npos);
  }

  void the_base_is_small_and_half() {
    const auto base = teaching_base();
    QVERIFY(base.ok());
    const auto summary = summarize_model(*base);
    if (!summary) QFAIL(summary.error().sentence().c_str());
    QVERIFY2(summary->parameters > 2'500'000 && summary->parameters < 3'500'000,
             std::to_string(summary->parameters).c_str());
    QCOMPARE(summary->dtype, std::string("F16"));
    std::uintmax_t bytes = 0;
    for (const auto& entry : fs::recursive_directory_iterator(base->parent_path()))
      bytes += entry.is_regular_file() ? entry.file_size() : 0;
    QVERIFY2(bytes < 12'000'000, std::to_string(bytes).c_str());
  }

  void tasks_are_as_designed() {
    const auto tasks = teaching_tasks();
    if (!tasks) QFAIL(tasks.error().sentence().c_str());
    QCOMPARE(tasks->size(), std::size_t{3});
    const auto base = teaching_base();
    const auto plain = Dataset::open({base->parent_path() / "heldout.jsonl"});
    QVERIFY(plain.ok());
    for (const TeachingTask& task : *tasks) {
      QVERIFY(!task.title("en").empty() && !task.title("ko").empty() &&
              !task.description("en").empty() && !task.description("ko").empty());
      const auto recipe = teaching_recipe(task, "runs/somewhere");
      if (!recipe) QFAIL(recipe.error().sentence().c_str());
      QCOMPARE(recipe->strategy, std::string("lora"));
      QCOMPARE(recipe->training.save_steps, std::int64_t{25});  // so that a killed demo goes on
      QCOMPARE(recipe->output_dir, std::string("runs/somewhere"));
      QCOMPARE(fs::path(recipe->model), *base);
      const auto train = Dataset::open({task.train});
      const auto heldout = Dataset::open({task.heldout});
      QVERIFY(train.ok() && heldout.ok());
      QVERIFY((*train)->size() >= 600);
      QVERIFY((*heldout)->size() >= 200);
      QCOMPARE((*heldout)->size(), (*plain)->size());
      std::set<std::string> pictures;
      for (std::size_t row = 0; row < (*train)->size(); ++row) {
        const auto sample = (*train)->read(row);
        QVERIFY(sample.ok());
        pictures.insert(sample->messages[0].content[0].image.string());
      }
      std::size_t same = 0;
      for (std::size_t row = 0; row < (*heldout)->size(); ++row) {
        const auto held = (*heldout)->read(row);
        const auto own = (*plain)->read(row);
        QVERIFY(held.ok() && own.ok());
        const auto& messages = held->messages;
        QVERIFY(!pictures.contains(messages[0].content[0].image.string()));
        QCOMPARE(text_of(messages[0]), text_of(own->messages[0]));  // the question names no manner
        same += text_of(messages[1]) == text_of(own->messages[1]);
      }
      QCOMPARE(same, std::size_t{0});  // what the base says is never what the task wants
    }
  }
};

QTEST_APPLESS_MAIN(TestResources)
#include "test_resources.moc"
