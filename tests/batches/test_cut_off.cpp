// SPDX-License-Identifier: GPL-3.0-or-later
// What is shown of a row as cut off, whoever cut it: the recipe's context length or the model's
// positions, and wherever it stood before special tokens that stay.
#include "engine/batches/inspected_row.h"
#include "engine/models/loaded_model.h"

// After LibTorch, whose names Qt's keywords would break.
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

constexpr std::size_t kPositions = 24;

/// A GPT-2 of the fixture's words, without weights.
fs::path make_gpt2(const TinyRun& tiny) {
  const fs::path folder = tiny.root() / "gpt2";
  fs::create_directories(folder);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"})
    fs::copy_file(fixture() / "llava" / name, folder / name);
  const Json llava = *read_json_file(tiny.root() / "model" / "config.json");
  const Json own = {{"model_type", "gpt2"}, {"vocab_size", llava["text_config"]["vocab_size"]},
                    {"n_embd", 16},         {"n_layer", 1},
                    {"n_head", 2},          {"n_positions", kPositions},
                    {"bos_token_id", 1},    {"eos_token_id", 2}};
  write_text(folder / "config.json", own.dump());
  return folder;
}

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
    const fs::path model = make_gpt2(tiny);
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
