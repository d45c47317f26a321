// SPDX-License-Identifier: GPL-3.0-or-later
// Rows chosen by what a model makes of them: by the states of their labelled tokens, whatever goes
// through the model at once, and with nothing left behind.
#include "engine/models/loaded_model.h"
#include "engine/train/example_selection.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QtTest>

#include <set>

#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

class Choosing {
 public:
  Choosing() : tiny_({}, 20) {
    LoadOptions load;
    load.device = "cpu";
    load.dtype = "float32";
    load.random_weights = true;
    auto loaded = load_model(root() / "model", load);
    if (!loaded) qFatal("%s", loaded.error().sentence().c_str());
    model = std::make_unique<LoadedModel>(loaded.take());
    reader = reader_of(root() / "rows.jsonl");
    options.scratch = root() / "states";
  }
  fs::path root() const { return tiny_.root(); }
  RowReader reader_of(const fs::path& file) const {
    RowReader made;
    auto dataset = Dataset::open({file});
    if (!dataset) qFatal("%s", dataset.error().sentence().c_str());
    made.dataset = dataset.take();
    made.processor = model->processor;
    return made;
  }
  std::vector<std::int64_t> all(const RowReader& of) const {
    std::vector<std::int64_t> rows(of.dataset->size());
    std::iota(rows.begin(), rows.end(), std::int64_t{0});
    return rows;
  }

  std::unique_ptr<LoadedModel> model;
  RowReader reader;
  SelectionOptions options;

 private:
  TinyRun tiny_;
};

std::vector<std::size_t> places(const ChosenExamples& chosen) {
  std::vector<std::size_t> all;
  for (const ChosenExample& each : chosen.chosen) all.push_back(each.example);
  return all;
}

}  // namespace

class TestExampleSelection : public QObject {
  Q_OBJECT

 private slots:
  /// The states row by row, in memory, by the definition.
  void rows_are_chosen_by_their_labelled_states() {
    Choosing tiny;
    std::vector<torch::Tensor> states;
    double squares = 0, tokens = 0;
    const torch::NoGradGuard no_grad;
    for (std::size_t row = 0; row < tiny.reader.dataset->size(); ++row) {
      const auto encoded = tiny.reader.read(static_cast<std::int64_t>(row));
      QVERIFY(encoded.ok());
      const Example& example = encoded->sequences.front();
      const torch::Tensor all =
          states_before_head(*tiny.model->model, for_model(*tiny.model->model, collate({example})));
      std::vector<torch::Tensor> own;
      for (std::size_t i = 0; i + 1 < example.labels.size(); ++i)
        if (example.labels[i + 1] >= 0) own.push_back(all[static_cast<std::int64_t>(i)]);
      states.push_back(torch::stack(own));
      squares += states.back().square().sum().item<double>();
      tokens += static_cast<double>(own.size());
    }
    InformationSource source;
    source.examples = states.size();
    source.width = states.front().size(1);
    source.states = [&](std::size_t i) -> Result<torch::Tensor> {
      return states[i] / std::sqrt(squares / tokens);
    };
    const auto expected = choose_examples(source, 8);
    QVERIFY(expected.ok());
    tiny.options.rows = 8;
    const auto chosen = select_rows(*tiny.model, tiny.reader, tiny.all(tiny.reader), tiny.options);
    QVERIFY2(chosen.ok(), chosen.ok() ? "" : chosen.error().sentence().c_str());
    QCOMPARE(places(*chosen), places(*expected));
    QVERIFY(std::abs(chosen->chosen[3].gain - expected->chosen[3].gain) < 1e-3);
    QVERIFY(!fs::exists(tiny.options.scratch));
  }

  void the_same_row_again_comes_last() {
    Choosing tiny;
    std::string text;
    for (int i = 0; i < 5; ++i) text += row(1, "It is always this one.", {}).dump() + "\n";
    text += row(2, "Something else altogether stands here!", {}).dump() + "\n";
    write_text(tiny.root() / "same.jsonl", text);
    const RowReader reader = tiny.reader_of(tiny.root() / "same.jsonl");
    tiny.options.rows = 2;
    const auto chosen = select_rows(*tiny.model, reader, tiny.all(reader), tiny.options);
    QVERIFY(chosen.ok());
    const auto found = places(*chosen);
    QCOMPARE((std::set<std::size_t>(found.begin(), found.end())), (std::set<std::size_t>{0, 5}));
  }

  void faults_name_the_row_and_leave_nothing() {
    Choosing tiny;
    write_text(tiny.root() / "bad.jsonl",
               row(1, "fine", {}).dump() + "\n" + R"({"messages": 3})" + "\n");
    const RowReader reader = tiny.reader_of(tiny.root() / "bad.jsonl");
    tiny.options.rows = 1;
    const auto broken = select_rows(*tiny.model, reader, tiny.all(reader), tiny.options);
    QVERIFY(!broken.ok());
    QVERIFY(broken.error().sentence().find("row 2") != std::string::npos);
    QVERIFY(!fs::exists(tiny.options.scratch));
    tiny.options.progress = [](const char*, std::size_t done, std::size_t) { return done < 9; };
    const auto stopped = select_rows(*tiny.model, tiny.reader, tiny.all(tiny.reader), tiny.options);
    QVERIFY(!stopped.ok());
    QCOMPARE(stopped.error().code, ErrorCode::Interrupted);
    QVERIFY(!fs::exists(tiny.options.scratch));
    tiny.options.scratch = tiny.root() / "no folder/states";
    const auto nowhere = select_rows(*tiny.model, tiny.reader, tiny.all(tiny.reader), tiny.options);
    QVERIFY(!nowhere.ok());
    QVERIFY(nowhere.error().sentence().find("no folder") != std::string::npos);
  }
};

QTEST_GUILESS_MAIN(TestExampleSelection)
#include "test_example_selection.moc"
