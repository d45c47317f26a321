// SPDX-License-Identifier: GPL-3.0-or-later
// A router over adapters: that rows of one kind go to their adapter, what the files hold, what is
// refused of them, and that a comparison's column answers as the picked adapters do.
#include "engine/compare/adapter_router.h"
#include "engine/compare/compare.h"
#include "engine/config/recipe.h"
#include "engine/methods/adapter.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// Rows that two adapters are for: they ask in other words.
std::vector<Sample> questions(const std::string& words, int count, const fs::path& root) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const Json content = {{{"type", "text"}, {"text", words + " " + std::to_string(i * 13 % 29)}}};
    text += Json{{"messages", {{{"role", "user"}, {"content", content}}}}}.dump() + "\n";
  }
  write_text(root / "asked.jsonl", text);
  auto samples = read_samples({root / "asked.jsonl"});
  if (!samples) qFatal("%s", samples.error().sentence().c_str());
  return samples.take();
}

class Routed {
 public:
  Routed() {
    LoadOptions load;
    load.device = "cpu";
    load.dtype = "float32";
    load.random_weights = true;
    auto loaded = load_model(root() / "model", load);
    if (!loaded) qFatal("%s", loaded.error().sentence().c_str());
    // A checkpoint that has weights: the router knows its base by them.
    if (!save_model(*loaded, root() / "base", torch::kFloat32)) qFatal("not saved");
    load.random_weights = false;
    loaded = load_model(root() / "base", load);
    if (!loaded) qFatal("%s", loaded.error().sentence().c_str());
    base = std::make_unique<LoadedModel>(loaded.take());
    for (const int seed : {1, 2}) {
      auto adapter = create_adapter(*base, "lora", settings(), static_cast<std::uint64_t>(seed));
      if (!adapter) qFatal("%s", adapter.error().sentence().c_str());
      fs::create_directories(folder(seed));
      if (!(*adapter)->save(folder(seed), "base")) qFatal("not saved");
    }
  }
  fs::path root() const { return tiny_.root(); }
  fs::path folder(int seed) const { return root() / ("adapter" + std::to_string(seed)); }
  std::vector<RoutedTask> tasks() const {
    std::vector<RoutedTask> tasks;
    const char* words[] = {"Where is the red circle", "count all of them please: how many"};
    for (int i = 0; i < 2; ++i) {
      auto rows = questions(words[i], 25, root());
      std::vector<Sample> held_out(rows.begin() + 20, rows.end());
      rows.resize(20);
      tasks.push_back({i ? "counting" : "places", folder(i + 1), rows, held_out});
    }
    return tasks;
  }
  static AdapterSettings settings() {
    AdapterSettings settings;
    settings.r = 4;
    settings.init_lora_weights = "false";  // so that it does something
    return settings;
  }

  std::unique_ptr<LoadedModel> base;

 private:
  TinyRun tiny_;
};

QString said(const Error& error) { return QString::fromStdString(error.sentence()); }

#define VERIFY_FINE(result) \
  QVERIFY2((result).ok(), (result).ok() ? "" : (result).error().sentence().c_str())

}  // namespace

class TestAdapterRouter : public QObject {
  Q_OBJECT

 private slots:
  void rows_go_to_the_adapter_of_their_kind() {
    const Routed routed;
    const auto router = AdapterRouter::fit(*routed.base, routed.tasks());
    VERIFY_FINE(router);
    QCOMPARE(router->proof().rows, std::int64_t(10));
    QCOMPARE(router->proof().right, std::int64_t(10));
    QCOMPARE(router->proof().confusion[0][0], std::int64_t(5));
    QCOMPARE(router->proof().confusion[0][1], std::int64_t(0));
    VERIFY_FINE(router->write(routed.root() / "router"));
    const auto read = AdapterRouter::open(routed.root() / "router", *routed.base);
    VERIFY_FINE(read);
    QCOMPARE(read->adapters()[1].name, std::string("counting"));
    QCOMPARE(read->adapters()[1].rows, std::int64_t(20));
    QVERIFY(fs::equivalent(read->adapters()[1].folder, routed.folder(2)));
    auto asked = questions("Where is the red circle", 3, routed.root());
    const auto other = questions("count all of them please: how many", 2, routed.root());
    asked.insert(asked.end(), other.begin(), other.end());
    const auto routes = read->choose(*routed.base, asked);
    const auto unwritten = router->choose(*routed.base, asked);
    VERIFY_FINE(routes);
    VERIFY_FINE(unwritten);
    for (std::size_t i = 0; i < 5; ++i) {
      QCOMPARE(routes->at(i).adapter, std::size_t(i < 3 ? 0 : 1));
      QVERIFY(routes->at(i).sureness > 0.5 && routes->at(i).sureness <= 1);
      QCOMPARE(routes->at(i).sureness, unwritten->at(i).sureness);
    }
  }

  /// Where nothing tells the tasks apart, it says so by how sure it is.
  void of_equal_tasks_it_is_not_sure() {
    const Routed routed;
    auto tasks = routed.tasks();
    tasks[1].rows = tasks[0].rows;
    tasks[1].held_out = tasks[0].held_out;
    const auto router = AdapterRouter::fit(*routed.base, tasks);
    VERIFY_FINE(router);
    QCOMPARE(router->proof().right, std::int64_t(5));  // of 10: all go to one
    const auto routes = router->choose(*routed.base, tasks[0].held_out);
    VERIFY_FINE(routes);
    QVERIFY(std::abs(routes->front().sureness - 0.5) < 1e-6);
  }

  void a_column_answers_as_the_picked_adapters_do() {
    Routed routed;
    const auto fitted = AdapterRouter::fit(*routed.base, routed.tasks());
    VERIFY_FINE(fitted);
    VERIFY_FINE(fitted->write(routed.root() / "router"));
    const auto router = AdapterRouter::open(routed.root() / "router", *routed.base);
    VERIFY_FINE(router);
    auto asked = questions("Where is the red circle", 2, routed.root());
    const auto other = questions("count all of them please: how many", 2, routed.root());
    asked.insert(asked.end(), other.begin(), other.end());
    GenerationOptions options;
    options.max_new_tokens = 6;
    const auto compared = compare_adapters(
        *routed.base, {{"places", routed.folder(1)}, {"counting", routed.folder(2)}}, asked,
        options, {}, &*router);
    VERIFY_FINE(compared);
    QCOMPARE(compared->columns.size(), std::size_t(4));
    QVERIFY(compared->columns[3].router);
    bool differ = false;
    for (std::size_t i = 0; i < 4; ++i) {
      const auto& answers = compared->rows[i].answers;
      const std::size_t picked = i < 2 ? 1 : 2;
      QCOMPARE(answers[3].by, compared->columns[picked].name);
      QVERIFY(answers[3].sureness > 0.5);
      QCOMPARE(answers[3].text, answers[picked].text);
      differ = differ || answers[1].text != answers[2].text;
    }
    QVERIFY(differ);
  }

  void what_does_not_fit_is_refused() {
    const Routed routed;
    auto tasks = routed.tasks();
    const auto alone = AdapterRouter::fit(*routed.base, {tasks[0]});
    QVERIFY(!alone.ok() && said(alone.error()).contains("among 2"));
    auto twice = tasks;
    twice[1].name = twice[0].name;
    const auto doubled = AdapterRouter::fit(*routed.base, twice);
    QVERIFY(!doubled.ok() && said(doubled.error()).contains("two adapters"));
    auto empty = tasks;
    empty[1].held_out.clear();
    const auto unproven = AdapterRouter::fit(*routed.base, empty);
    QVERIFY(!unproven.ok() && said(unproven.error()).contains("counting"));
    const auto stopped = AdapterRouter::fit(*routed.base, tasks,
                                            [](std::size_t done, std::size_t) { return done < 3; });
    QVERIFY(!stopped.ok());
    QCOMPARE(stopped.error().code, ErrorCode::Interrupted);
    QVERIFY(!AdapterRouter::open(routed.root(), *routed.base).ok());
  }

  void broken_files_are_refused_data() {
    QTest::addColumn<QString>("from");
    QTest::addColumn<QString>("to");
    QTest::addColumn<QString>("part");
    const auto row = [](const char* from, const char* to, const char* part) {
      QTest::newRow(part) << from << to << part;
    };
    row("\"format_version\": 1", "\"format_version\": 9", "format_version");
    row("\"temperature\": ", "\"temperature\": -", "temperature");
    row("\"hidden_size\": 64", "\"hidden_size\": 63", "centroids");
    row("\"fingerprint\": \"", "\"fingerprint\": \"0", "another base");
    row("\"sha256\": \"", "\"sha256\": \"0", "weights have changed");
    row("\"folder\": \"../adapter1\"", "\"folder\": \"../gone\"", "gone");
    row("\"adapters\": [", "\"adapters\": 3, \"others\": [", "adapters");
  }
  void broken_files_are_refused() {
    QFETCH(QString, from);
    QFETCH(QString, to);
    QFETCH(QString, part);
    const Routed routed;
    const auto router = AdapterRouter::fit(*routed.base, routed.tasks());
    VERIFY_FINE(router);
    const fs::path folder = routed.root() / "router";
    VERIFY_FINE(router->write(folder));
    QString text = QString::fromStdString(*read_file(folder / "router.json"));
    QVERIFY2(text.contains(from), qPrintable(text));
    text.replace(text.indexOf(from), from.size(), to);
    write_text(folder / "router.json", text.toStdString());
    const auto read = AdapterRouter::open(folder, *routed.base);
    QVERIFY(!read.ok());
    QCOMPARE(read.error().code, ErrorCode::Input);
    QVERIFY2(said(read.error()).contains(part), qPrintable(said(read.error())));
  }
};

QTEST_GUILESS_MAIN(TestAdapterRouter)
#include "test_adapter_router.moc"
