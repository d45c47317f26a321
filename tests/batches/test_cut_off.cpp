// SPDX-License-Identifier: GPL-3.0-or-later
// What is shown of a row as cut off, whoever cut it: the recipe's context length or the model's
// positions, and wherever it stood before special tokens that stay.
#include "engine/batches/inspected_row.h"
#include "engine/models/loaded_model.h"

// After LibTorch, whose names Qt's keywords would break.
#include "tests/train/tiny_gpt2.h"

using namespace luthier;
using namespace luthier::test;

namespace {

constexpr std::size_t kPositions = 24;

}  // namespace

class TestCutOff : public QObject {
  Q_OBJECT

 private slots:
  void what_is_cut_is_shown_data() {
    QTest::addColumn<int>("max_length");
    QTest::newRow("by the positions alone") << 0;
    QTest::newRow("by the positions before the context length") << 40;
    QTest::newRow("by the context length") << 16;
  }
  void what_is_cut_is_shown() {
    QFETCH(int, max_length);
    TinyRun tiny;
    const fs::path model = make_gpt2(tiny, kPositions);
    std::string text;
    for (int i = 0; i < 60; ++i) text += "qzxjk"[i % 5];
    write_text(tiny.root() / "texts.jsonl", Json{{"text", text}}.dump() + "\n");
    const Recipe recipe = tiny.recipe(
        "run", {"model=" + model.string(), "objective=infilling", "infilling.fim_rate=0",
                "training.max_length=" + std::to_string(max_length),
                "dataset=" + (tiny.root() / "texts.jsonl").string()});
    const auto processor = load_processor(model, {});
    QVERIFY2(processor.ok(), processor ? "" : processor.error().sentence().c_str());
    const auto dataset = Dataset::open({tiny.root() / "texts.jsonl"}, {});
    QVERIFY(dataset.ok());
    const auto row = inspect_row(recipe, **dataset, **processor, 0);
    QVERIFY2(row.ok(), row ? "" : row.error().sentence().c_str());
    const std::size_t kept = max_length == 16 ? 16 : kPositions;
    QCOMPARE(row->ids.size(), kept);
    const auto whole = (*processor)->tokenizer().encode(text, /*add_special_tokens=*/true);
    QVERIFY(whole.ok());
    QCOMPARE(row->cut_off.size(), whole->ids.size() - kept);
    QCOMPARE(row->cut_off.back(), (*processor)->tokenizer().id_to_token(whole->ids.back()));
  }
};

QTEST_GUILESS_MAIN(TestCutOff)
#include "test_cut_off.moc"
